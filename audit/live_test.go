package audit_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/internal/wardtest"
)

func (a *attic) live() *archive.LiveReport {
	a.t.Helper()
	report, err := a.reconciler.Live(a.t.Context())
	if err != nil {
		a.t.Fatal(err)
	}
	return report
}

// victim is an archived event of cedar's: its id and its place.
func (a *attic) victim() (id, seq int64) {
	a.t.Helper()
	id = wardtest.One[int64](a.e, "select event_id from audit.event where recorded_at >= '2026-05-03Z' "+
		"and recorded_at < '2026-06-01Z' and tenant_id = $1 order by event_id limit 1", a.cedar)
	return id, wardtest.One[int64](a.e, "select seq from audit.chain where event_id = $1", id)
}

// TestLive: what a superuser with the triggers off does to events and to the chain is found and named, each row of it
// and no other.
func TestLive(t *testing.T) {
	changes := map[string]string{"outcome": "'denied'", "actor_kind": "'service'", "action": "'modify'",
		"user_id": "gen_random_uuid()", "session_id": "gen_random_uuid()", "membership_id": "gen_random_uuid()",
		"disclosure_id": "gen_random_uuid()",
		"record_table":  "'public.notes'", "record_id": "gen_random_uuid()", "subject_id": "null",
		"purpose": "'research'", "detail": `'{"n":1}'`, "source": "'import'", "occurred_at": "now()",
		"tenant_id": "gen_random_uuid()"}
	type difference struct {
		sql     string // {id}, {seq}, {tenant}
		chain   bool
		status  string
		names   string
		seqless bool
	}
	cases := map[string]difference{
		"removed event": {sql: "delete from audit.event where event_id = {id}", status: archive.LiveMissing,
			names: "not in the database"},
		"removed place": {sql: "delete from audit.chain where event_id = {id}", chain: true,
			status: archive.LiveMissing, names: "no place in the database's chain"},
		"changed hash": {sql: "update audit.chain set hash = sha256('x') where event_id = {id}", chain: true,
			status: archive.LiveModified, names: "hash"},
		"changed time": {sql: "update audit.event set recorded_at = recorded_at + interval '1 second' " +
			"where event_id = {id}", status: archive.LiveModified, names: "recorded_at"},
		"changed nonce": {sql: "update audit.chain set nonce = decode(repeat('00', 16), 'hex') " +
			"where event_id = {id}", chain: true, status: archive.LiveModified, names: "nonce"},
		"changed sealing": {sql: "update audit.chain set sealed_at = sealed_at + interval '1 second' " +
			"where event_id = {id}", chain: true, status: archive.LiveModified, names: "sealed_at"},
		"event put in late": {sql: "insert into audit.event (tenant_id, actor_kind, action, recorded_at, xid) " +
			"values ('{tenant}', 'human', 'view', '2026-05-03Z', (select xid from audit.event where event_id = {id}))",
			status: archive.LiveExtra, names: "the sealer has passed", seqless: true},
		"event put in twice": {sql: `insert into audit.event (event_id, tenant_id, actor_kind, action, recorded_at,
				xid) overriding system value select event_id, tenant_id, actor_kind, action,
				recorded_at + interval '1 second', xid from audit.event
				where event_id = {id}`, status: archive.LiveExtra, names: "twice", seqless: true},
		"event not sealed": {sql: "insert into audit.event (tenant_id, actor_kind, action, recorded_at) " +
			"values ('{tenant}', 'human', 'view', '2026-05-03Z')", status: archive.Unsealed, names: "not sealed",
			seqless: true},
	}
	for column, value := range changes {
		cases["changed "+column] = difference{sql: fmt.Sprintf("update audit.event set %s = %s where event_id = {id}",
			column, value), status: archive.LiveModified, names: column}
	}
	a := newAttic(t)
	before := a.live()
	if before.Verdict != archive.Valid || before.Rows < 30 || before.Parts < 3 || len(before.Findings) > 0 ||
		before.Pruned != 0 {
		t.Fatalf("as it is: %+v", before)
	}
	id, seq := a.victim()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			undo := a.snapshot()
			sql := strings.NewReplacer("{id}", fmt.Sprint(id), "{seq}", fmt.Sprint(seq), "{tenant}",
				a.cedar.String()).Replace(c.sql)
			if c.chain {
				a.rewriteChain(sql)
			} else {
				a.rewrite(sql)
			}
			report := a.live()
			found := slices.IndexFunc(report.Findings, func(f archive.Finding) bool {
				return f.Status == c.status && f.Tenant == a.cedar.String() && (c.seqless || f.Seq == seq) &&
					strings.Contains(f.Message, c.names)
			})
			verdict := archive.Invalid
			if c.status == archive.Unsealed {
				verdict = archive.NotProven
			}
			if found < 0 || report.Verdict != verdict {
				t.Errorf("%s: %v", report.Verdict, report.Findings)
			}
			// an event that lost its place is not sealed either: nothing else is said
			if want := 1 + strings.Count(name, "removed place"); len(report.Findings) != want {
				t.Errorf("%d findings: %v", len(report.Findings), report.Findings)
			}
			undo()
			if after := a.live(); after.Verdict != archive.Valid || after.Rows != before.Rows {
				t.Fatalf("after it was undone: %+v", after)
			}
		})
	}
}

// snapshot keeps events and chain and returns what puts them back.
func (a *attic) snapshot() func() {
	a.t.Helper()
	for _, sql := range []string{"drop table if exists public.kept_event, public.kept_chain",
		"create table public.kept_event as select * from audit.event",
		"create table public.kept_chain as select * from audit.chain"} {
		super(a.t, a.e, sql)
	}
	return func() {
		a.rewrite("delete from audit.event")
		a.rewrite("insert into audit.event overriding system value select * from public.kept_event")
		a.rewriteChain("delete from audit.chain")
		a.rewriteChain("insert into audit.chain select * from public.kept_chain")
	}
}

// TestLiveNotShipped: what is sealed and due and in no part, or was put behind a chain's end, is LIVE_EXTRA; what is
// not due yet waits, uncovered.
func TestLiveNotShipped(t *testing.T) {
	a := newAttic(t)
	settled := a.live()
	if settled.Verdict != archive.Valid {
		t.Fatalf("%+v", settled)
	}
	a.insert(a.cedar, 2)
	a.sealAt(time.Now())
	if r := a.live(); r.Verdict != archive.Valid || r.Waiting < 2 || r.Rows != settled.Rows {
		t.Errorf("not due: %+v", r)
	}
	a.insert(a.cedar, 2)
	if r := a.live(); r.Verdict != archive.Valid || r.Unsealed != 2 {
		t.Errorf("not sealed: %+v", r)
	}
	later := *a.reconciler
	later.Now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	r, err := later.Live(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, f := range r.Findings {
		count[f.Status]++
	}
	if r.Verdict != archive.Invalid || count[archive.LiveExtra] < 2 || count[archive.Unsealed] != 2 {
		t.Errorf("due: %v, %+v", count, r)
	}
	// one that claims a place far behind the end
	a.rewriteChain(fmt.Sprintf("insert into audit.chain select tenant_id, seq + 50000, event_id + 1000000, "+
		"recorded_at, batch, sealed_at, nonce, hash from audit.chain where tenant_id = '%s' order by seq desc limit 1",
		a.cedar))
	if r := a.live(); r.Verdict != archive.Invalid || !slices.ContainsFunc(r.Findings, func(f archive.Finding) bool {
		return f.Status == archive.LiveExtra && strings.Contains(f.Message, "after a gap")
	}) {
		t.Errorf("beyond a gap: %+v", r)
	}
}

// beforeQuery runs then each time before a query whose text holds part.
type beforeQuery struct {
	part string
	then func()
}

func (b *beforeQuery) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	if strings.Contains(q.SQL, b.part) {
		b.then()
	}
	return ctx
}

func (*beforeQuery) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TestLiveWhileSealing: rows that are sealed after a chain's end was read, and before what lies beyond it is looked
// for, are no gap.
func TestLiveWhileSealing(t *testing.T) {
	a := newAttic(t)
	settled := a.live()
	config, err := pgxpool.ParseConfig(a.e.DB.DSN("ward_worker"))
	if err != nil {
		t.Fatal(err)
	}
	came := 0
	config.ConnConfig.Tracer = &beforeQuery{"name: FirstRowAfter ", func() {
		if came < 4 {
			came++
			a.insert(a.cedar, came)
			a.sealAt(time.Now())
		}
	}}
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	meanwhile := *a.reconciler
	meanwhile.Pool = pool
	r, err := meanwhile.Live(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if came != 4 || r.Verdict != archive.Valid || r.Waiting <= settled.Waiting {
		t.Errorf("%d times rows came; %+v", came, r)
	}
}

// TestLiveOnADamagedArchive: a part that is not what was signed is named, and nothing is said about the rows that it
// should hold.
func TestLiveOnADamagedArchive(t *testing.T) {
	a := newAttic(t)
	rows := a.live().Rows
	victim := a.parts()[1]
	a.change(a.dir, victim.Path, func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
	if r := a.live(); r.Verdict != archive.Invalid || len(r.Findings) != 1 ||
		r.Findings[0].Status != archive.FileModified || r.Findings[0].Part != victim.Path ||
		r.Rows != rows-victim.Rows {
		t.Errorf("%+v", r)
	}
	a.remove(a.dir, victim.Path)
	if r := a.live(); r.Verdict != archive.Invalid || len(r.Findings) != 1 ||
		r.Findings[0].Status != archive.PartMissing {
		t.Errorf("%+v", r)
	}
}

// TestLiveReachesTheReviewer: the request is the auditor's event, the verdict about both is on record, and nobody else
// gets the answer.
func TestLiveReachesTheReviewer(t *testing.T) {
	a := newAttic(t)
	id, seq := a.victim()
	a.rewrite(fmt.Sprintf("update audit.event set outcome = 'denied' where event_id = %d", id))
	ana := a.e.Reviewer("ana")
	answered := make(chan error, 1)
	go func() {
		answered <- func() error {
			for { // in the worker's place
				var event *int64
				err := a.pool.QueryRow(t.Context(), "select max((args->>'event_id')::bigint) from river.river_job "+
					"where kind = 'verify_live'").Scan(&event)
				if err != nil {
					return err
				}
				if event == nil {
					continue
				}
				report, err := a.reconciler.Live(t.Context())
				if err != nil {
					return err
				}
				return audit.SaveAnswer(t.Context(), a.pool, *event, audit.AnswerDone, report)
			}
		}()
	}()
	opts := archive.VerifyOptions{Keys: []archive.Key{a.signer.Key()}, Now: a.now}
	report, err := audit.VerifyLive(t.Context(), ana, a.store, opts, time.Minute, nil)
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
	if err != nil || report.Verdict != archive.Invalid || report.Live == nil || report.Live.Verdict != archive.Invalid {
		t.Fatalf("%+v, %v", report, err)
	}
	if !slices.ContainsFunc(report.Findings,
		func(f archive.Finding) bool { return f.Status == archive.LiveModified && f.Seq == seq }) {
		t.Errorf("%v", report.Findings)
	}
	if got := wardtest.One[string](a.e,
		"select concat_ws(' ', verdict, breaks) from audit.verification"); got != "INVALID 1" {
		t.Errorf("on record: %s", got)
	}
	event := wardtest.One[int64](a.e, "select request from audit.answer")
	if _, err := audit.Await(t.Context(), a.e.Reviewer("dana"), event, time.Millisecond); err == nil {
		t.Error("dana got ana's answer")
	}
	if _, err := audit.RequestLive(t.Context(), a.e.Reviewer("omar")); err == nil {
		t.Error("an engineer may ask")
	}
}
