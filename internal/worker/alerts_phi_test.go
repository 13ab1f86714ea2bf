package worker_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/internal/clinic"
	"github.com/ward-health/ward/internal/notify/notifytest"
	"github.com/ward-health/ward/internal/wardtest"
)

// TestNoPHIInAlerts: a month of simulated work with its misbehaviour, every rule run over it, and everybody told of
// everything: no value of a patient's, no record's id and nobody's name is in anything that was sent. What a rule says
// in free text, and what people typed, is not either.
func TestNoPHIInAlerts(t *testing.T) {
	a := notifytest.NewAuthority(t)
	hook, server := notifytest.NewHook(t, a, nil), notifytest.NewMailServer(t, a)
	y := newTeller(t, fmt.Sprintf("targets:\n- {name: hook, webhook: %q, ca_file: %q, severity: low}\n"+
		"- {name: officer, mail: officer@clinic.test, from: ward@clinic.test, smtp: %q, ca_file: %q, severity: low}",
		hook.URL, a.CAFile, server.Addr, a.CAFile))
	h := clinic.Generate(clinic.Config{Seed: 7, Clinics: 3, Staff: 40, Patients: 300, Days: 30, Events: 5000,
		Now: time.Now(), Password: wardtest.Password})
	sealer, err := audit.Lead(t.Context(), y.pool("loading"))
	if err != nil {
		t.Fatal(err)
	}
	err = h.Load(t.Context(), y.e.DB.Superuser(), func(ctx context.Context, end time.Time) error {
		sealer.Simulated = func() time.Time { return end }
		_, err := sealer.Seal(ctx)
		return err
	})
	sealer.Close(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	list := rules(t)
	y.start("one", list, time.Now)
	overdue := y.anomaly("T02-critical", "critical")
	if _, err := y.e.Super.Exec(t.Context(), "update review.anomaly set state = 'escalated', "+
		"discovered_on = review.today() - 70, due_on = review.today() - 10 where id = $1", overdue); err != nil {
		t.Fatal(err)
	}
	y.sql("every rule has run", "select count(distinct rule_id) = $1 from review.run where status = 'ok' and rule_id "+
		"not like 'S02%'", len(list)-1)
	if _, err := y.e.Super.Exec(t.Context(), "select review.tell_clocks()"); err != nil {
		t.Fatal(err)
	}
	y.told("everything is told")

	var sent strings.Builder
	for _, p := range hook.Posts() {
		fmt.Fprintln(&sent, p.Path, p.Header, string(p.Body))
	}
	for _, m := range server.Mails() {
		fmt.Fprintln(&sent, m.From, m.To, m.Data)
	}
	all := strings.ToLower(strings.ReplaceAll(sent.String(), "=\n", ""))
	kinds := wardtest.One[int](y.e, "select count(distinct kind) from review.alert n join review.delivery d "+
		"on d.alert_id = n.id where d.state = 'delivered'")
	anomalies := wardtest.One[int](y.e, "select count(distinct rule_id) from review.anomaly")
	values := y.secrets()
	t.Logf("%d bytes in %d requests and %d mails of %d kinds, about anomalies of %d rules, against %d values", len(all),
		len(hook.Posts()), len(server.Mails()), kinds, anomalies, len(values))
	if len(hook.Posts()) < 10 || len(server.Mails()) < 10 || kinds < 3 || anomalies < 4 || len(values) < 2000 {
		t.Fatal("too little to say anything")
	}
	for v, column := range values {
		if word(all, strings.ToLower(v)) {
			t.Errorf("a value of %s was sent", column)
		}
	}
}

// word says whether v stands in text as a word of its own: a name may be the beginning of a clinic's.
func word(text, v string) bool {
	letter := func(s string, i int) bool {
		return i >= 0 && i < len(s) && (s[i] >= 'a' && s[i] <= 'z' || s[i] >= '0' && s[i] <= '9')
	}
	for from := 0; ; {
		i := strings.Index(text[from:], v)
		if i < 0 {
			return false
		}
		i += from
		if !letter(text, i-1) && !letter(text, i+len(v)) {
			return true
		}
		from = i + 1
	}
}

// secrets are what must not leave: every text, date and id of the tables that hold PHI, every record's and patient's
// id, every user's id, short name and name, and what rules wrote. Values of three characters or fewer say nothing.
func (y *yard) secrets() map[string]string {
	y.t.Helper()
	rows, err := y.e.Super.Query(y.t.Context(), `select format('select distinct %L, x.%I::text from %s x',
			attrelid::regclass || '.' || attname, attname, attrelid::regclass) from pg_attribute
			where attrelid in (select record_table::regclass from tenancy.phi_table) and attnum > 0 and not attisdropped
				and attname <> 'tenant_id' and atttypid in ('text'::regtype, 'uuid'::regtype, 'date'::regtype,
					'timestamptz'::regtype)
		union all select 'select ''record'', record_id::text from tenancy.record
				union select ''subject'', subject_id::text from tenancy.record'
		union all select 'select ''user'', unnest(array[id::text, name, slug]) from tenancy.users'
		union all select 'select ''time of an access'',
				unnest(array[to_char(first_at at time zone ''UTC'', ''YYYY-MM-DD"T"HH24:MI:SS''),
					to_char(last_at at time zone ''UTC'', ''YYYY-MM-DD"T"HH24:MI:SS'')]) from review.anomaly
				where last_at < created_at - interval ''1 minute'''
		union all select 'select ''rule text'', unnest(array[summary, facts::text]) from review.anomaly'`)
	if err != nil {
		y.t.Fatal(err)
	}
	queries, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(queries) < 20 {
		y.t.Fatalf("%d columns, %v", len(queries), err)
	}
	values := map[string]string{"canary": "free text"}
	for _, q := range queries {
		rows, err := y.e.Super.Query(y.t.Context(), q)
		if err != nil {
			y.t.Fatal(err)
		}
		var column string
		var v *string
		if _, err := pgx.ForEachRow(rows, []any{&column, &v}, func() error {
			if v != nil && len(*v) > 3 && *v != "{}" {
				values[*v] = column
			}
			return nil
		}); err != nil {
			y.t.Fatal(err)
		}
	}
	return values
}
