package review_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/review"
	"github.com/ward-health/ward/tenancy"
)

// needing are the rules that a new installation lists NOT ENABLED, and what each needs.
var needing = map[string]string{
	"B06-own-record": "person_link", "B07-co-worker": "person_link", "B08-same-surname": "surname",
	"B09-same-address": "address_hash", "B10-vip": "vip", "B11-deceased": "deceased_at",
	"C07-two-places": "source_ip",
}

// TestRulesThatNeedWhatOnlyAClinicKnows: they are NOT ENABLED with the field they need, run once an administrator has
// declared it, and stop when it is withdrawn.
func TestRulesThatNeedWhatOnlyAClinicKnows(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []review.RuleTest{{Name: "inputs"}})
	rules := shipped(t)
	if err := review.Register(t.Context(), w.worker, rules); err != nil {
		t.Fatal(err)
	}
	missing := func() map[string]string {
		rows, err := w.e.Super.Query(t.Context(),
			"select id, array_to_string(missing, ' ') from review.rule where missing <> '{}'")
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]string{}
		var id, what string
		if _, err := pgx.ForEachRow(rows, []any{&id, &what},
			func() error { found[id] = what; return nil }); err != nil {
			t.Fatal(err)
		}
		return found
	}
	if found := missing(); fmt.Sprint(found) != fmt.Sprint(needing) {
		t.Fatalf("NOT ENABLED: %v, want %v", found, needing)
	}
	root := w.e.Reviewer("root")
	for _, input := range []string{"person_link", "surname", "address_hash", "vip", "deceased_at", "source_ip"} {
		if err := review.DeclareInput(t.Context(), root, input, true, "it is kept up"); err != nil {
			t.Fatal(err)
		}
	}
	if found := missing(); len(found) != 0 {
		t.Fatalf("NOT ENABLED although declared: %v", found)
	}
	// a worker that starts again comes to the same
	if err := review.Register(t.Context(), w.worker, rules); err != nil {
		t.Fatal(err)
	}
	if found := missing(); len(found) != 0 {
		t.Fatalf("NOT ENABLED after a restart: %v", found)
	}
	if err := review.DeclareInput(t.Context(), root, "vip", false, "nobody keeps it up"); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(rules, func(r review.Rule) bool { return r.ID == "B10-vip" })
	if _, err := review.Run(t.Context(), w.worker, &rules[i], w.Now, review.RunRequest{}); err == nil ||
		!strings.Contains(err.Error(), "NOT ENABLED: this installation has no vip") {
		t.Errorf("ran without its input: %v", err)
	}
	if n := wardtest.One[int](w.e,
		"select count(*) from audit.event e join tenancy.users u on u.id = e.user_id where u.slug = 'root' and "+
			"e.action = 'configure' and e.detail::jsonb ->> 'what' in ('input declared', 'input withdrawn')"); n != 7 {
		t.Errorf("%d events of seven declarations", n)
	}
}

// TestSuppliedInputs: who may not supply does not, what is wrong is refused whole, and a value stands nowhere but as a
// keyed hash.
func TestSuppliedInputs(t *testing.T) {
	t.Parallel()
	e := wardtest.New(t)
	ctx := t.Context()
	patient := uuid.NewString()
	good := []review.InputRow{{User: "carla", Value: "O'Sullivan"}, {Patient: patient, Value: "OSULLIVAN "}}
	for _, who := range []string{"dana", "ana", "omar"} {
		if err := review.DeclareInput(ctx, e.Reviewer(who), "surname", true, "a try"); err == nil {
			t.Errorf("%s declares", who)
		}
		if _, err := review.SupplyInput(ctx, e.Reviewer(who), "surname", "cedar", good); err == nil {
			t.Errorf("%s supplies", who)
		}
	}
	root := e.Reviewer("root")
	// of each input a row that is in order, for the other one to spoil
	fine := map[string]review.InputRow{
		"surname": {User: "frank", Value: "x"}, "deceased_at": {Patient: uuid.NewString(), At: "2026-01-02T03:04:05Z"},
		"person_link": {User: "frank", Patient: uuid.NewString()}, "source_ip": {Session: uuid.NewString(), Value: "x"},
	}
	for name, c := range map[string]struct {
		input, tenant string
		row           review.InputRow
	}{
		"no such input":  {"shoe_size", "cedar", good[0]},
		"no such clinic": {"surname", "nowhere", good[0]},
		"nobody":         {"surname", "cedar", review.InputRow{Value: "Secretname"}},
		"two at once": {"surname", "cedar",
			review.InputRow{User: "carla", Patient: patient, Value: "Secretname"}},
		"a stranger":              {"surname", "cedar", review.InputRow{User: "secretname", Value: "Secretname"}},
		"no value":                {"surname", "cedar", review.InputRow{User: "carla"}},
		"a session's surname":     {"surname", "cedar", review.InputRow{Session: patient, Value: "Secretname"}},
		"an id that is none":      {"surname", "cedar", review.InputRow{Patient: "Secretname", Value: "x"}},
		"a death without a time":  {"deceased_at", "cedar", review.InputRow{Patient: patient}},
		"a time that is none":     {"deceased_at", "cedar", review.InputRow{Patient: patient, At: "Secretname"}},
		"a link without a user":   {"person_link", "cedar", review.InputRow{Patient: patient}},
		"an address of a session": {"source_ip", "cedar", review.InputRow{Patient: patient, Value: "192.0.2.7"}},
	} {
		before := wardtest.One[int](e, "select count(*) from review.trait") +
			wardtest.One[int](e, "select count(*) from review.person_link")
		rows := []review.InputRow{fine[c.input], c.row}
		if _, err := review.SupplyInput(ctx, root, c.input, c.tenant, rows); err == nil ||
			strings.Contains(err.Error(), "Secretname") {
			t.Errorf("%s: %v", name, err)
		}
		// and what the database itself says, which a server's log would have
		text, err := json.Marshal(rows)
		if err != nil {
			t.Fatal(err)
		}
		err = root.Tx(ctx, uuid.Nil, func(tx tenancy.Tx) error {
			_, err := queries.New(tx).SupplyInput(ctx,
				queries.SupplyInputParams{Input: c.input, Tenant: c.tenant, Rows: text})
			return err
		})
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || strings.Contains(pg.Message+pg.Detail+pg.Where+pg.Hint, "Secretname") ||
			strings.Contains(pg.Detail, "Failing row") {
			t.Errorf("%s, by the database: %v", name, err)
		}
		if after := wardtest.One[int](e, "select count(*) from review.trait") +
			wardtest.One[int](e, "select count(*) from review.person_link"); after != before {
			t.Errorf("%s: a part was kept", name)
		}
	}
	for range 2 { // a second time replaces
		if n, err := review.SupplyInput(ctx, root, "surname", "cedar", good); err != nil || n != 2 {
			t.Fatalf("%d, %v", n, err)
		}
	}
	if got := wardtest.One[string](e,
		"select concat_ws(' ', count(*), count(distinct key), min(length(key))) from review.trait"); got != "2 1 32" {
		t.Errorf("two spellings of a name are %s", got)
	}
	if n := wardtest.One[int](e,
		"select count(*) from audit.event where detail ~* 'sullivan' or detail ~* 'secretname'"); n != 0 {
		t.Errorf("%d events have a value", n)
	}
	if got := wardtest.One[string](e, "select string_agg(concat_ws(' ', detail::jsonb ->> 'what', "+
		"detail::jsonb ->> 'rows', (tenant_id <> tenancy.installation())), '; ') from audit.event "+
		"where detail::jsonb ->> 'input' = 'surname'"); got != "input supplied 2 t; input supplied 2 t" {
		t.Errorf("events: %s", got)
	}
	if _, err := review.SupplyInput(ctx, root, "surname", "cedar",
		[]review.InputRow{{User: "carla", Remove: true}}); err != nil ||
		wardtest.One[int](e, "select count(*) from review.trait") != 1 {
		t.Errorf("a row that was removed: %v", err)
	}
	link := []review.InputRow{{User: "carla", Patient: patient}}
	if _, err := review.SupplyInput(ctx, root, "person_link", "cedar", link); err != nil ||
		wardtest.One[int](e, "select count(*) from review.person_link") != 1 {
		t.Errorf("a link: %v", err)
	}
	link[0].Remove = true
	if _, err := review.SupplyInput(ctx, root, "person_link", "cedar", link); err != nil ||
		wardtest.One[int](e, "select count(*) from review.person_link") != 0 {
		t.Errorf("a link that was removed: %v", err)
	}
	// the worker reads and writes nothing of it
	for _, sql := range []string{"delete from review.person_link", "insert into review.trait (input, tenant_id, " +
		"user_id, key) select 'surname', tenant_id, user_id, sha256('x') from tenancy.membership",
		"select review.supply_input('vip', 'cedar', '[]')",
		"select review.declare_input('vip', true, 'a try')", "select tenancy.fingerprint('input|surname|doe')"} {
		if _, err := e.Conn("ward_worker").Exec(ctx, sql); err == nil {
			t.Errorf("ward_worker can: %s", sql)
		}
	}
}
