package tenancy_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// What a statement tells somebody who has the record's own disclosure: its values; only that it is there; or nothing,
// because the statement is refused with this SQLSTATE whatever is disclosed.
const (
	tellsValue    = "value"
	tellsPresence = "presence"
	isDenied      = "42501"
)

// Where the statement names the id of the record and C1 remains (docs/SECURITY.md): it tells whether the id is taken in
// the same clinic, and no value.
const tellsIDTaken = "C1"

// EXPLAIN counts the rows of the clinic that a scan passed (docs/SECURITY.md, sizes): it tells their number, and no
// value.
const tellsSize = "size"

// swept are the statements through which a value could come. VICTIM and DUMMY stand for records, CEDAR for their
// clinic. FUNCTIONS stands for code of the caller's own, which shows its argument in a notice, a setting and an error.
var swept = []struct{ sql, tells string }{
	// the view, in every way to name it
	{"select * from phi.patients", tellsValue},
	{"table phi.patients", tellsValue},
	{"select last_name from phi.patients where id = 'VICTIM'", tellsValue},
	{"select 1 from phi.patients where last_name = 'Canary7'", tellsValue},
	{"select 1 from phi.patients where last_name > 'Canary6' and last_name <= 'Canary7' limit 1", tellsValue},
	{"select count(*) from phi.patients", tellsPresence},
	{"select exists (select from phi.patients where id = 'VICTIM')", tellsPresence},
	{"select id from phi.patients order by last_name, id", tellsPresence},
	{"select last_name from phi.patients for update", isDenied},
	{"declare c scroll cursor for select last_name from phi.patients; fetch last from c; fetch backward all from c",
		tellsValue},
	{"prepare q as select last_name from phi.patients; execute q; deallocate q", tellsValue},
	{"create table public.loot as select * from phi.patients", isDenied},
	{"select last_name into public.loot from phi.patients", isDenied},
	// the table itself
	{"select * from public.patients", isDenied},
	{"select last_name from public.patients where id = 'VICTIM'", isDenied},
	{"select id from public.patients", tellsPresence},
	{"select count(*) from public.patients", tellsPresence},
	{"select ctid, xmin, tableoid from public.patients", isDenied},
	{"select tenant_id, id from public.patients where id = 'VICTIM' for update", tellsIDTaken},
	{"select * from public.patients tablesample system (100)", isDenied},
	{"select id from public.patients tablesample bernoulli (100)", tellsPresence},
	// whole rows
	{"select t from phi.patients t", tellsValue},
	{"select row(t) from phi.patients t", tellsValue},
	{"select t::text from phi.patients t", tellsValue},
	{"select to_jsonb(t) - 'created_at' from phi.patients t", tellsValue},
	{"select (t).last_name from (select t from phi.patients t) x", tellsValue},
	{"select hash_record(t) from phi.patients t", tellsValue},
	{"select t from public.patients t", isDenied},
	{"select to_jsonb(t) from public.patients t", isDenied},
	{"select query_to_xml('select last_name from phi.patients', true, false, '')", tellsValue},
	{"select table_to_xml('phi.patients', true, false, '')", tellsValue},
	{"select cursor_to_xml('c', 10, true, false, '') from (select 1) x", "34000"},
	// RETURNING
	{"insert into public.patients (tenant_id, id, mrn, first_name, last_name) values ('CEDAR', 'NEW', 'm', 'f', 'l') " +
		"returning (select last_name from phi.patients where id = 'VICTIM')", tellsValue},
	{"insert into public.patients (tenant_id, id, mrn, first_name, last_name) values ('CEDAR', 'NEW', 'm', 'f', " +
		"'l') returning *", isDenied},
	{"insert into public.patients (tenant_id, id, mrn, first_name, last_name) select 'CEDAR', 'NEW', 'm', 'f', " +
		"last_name from phi.patients where id = 'VICTIM'", tellsPresence},
	{"insert into public.patients (tenant_id, id, mrn, first_name, last_name) values ('CEDAR', 'VICTIM', 'm', 'f', " +
		"'l') on conflict do nothing", tellsIDTaken},
	{"insert into public.patients (tenant_id, id, mrn, first_name, last_name) values ('CEDAR', 'VICTIM', 'm', 'f', " +
		"'l') on conflict (tenant_id, id) do update set phone = patients.last_name", isDenied},
	{"insert into public.patients (tenant_id, id, mrn, first_name, last_name) values ('CEDAR', 'VICTIM', 'm', 'f', " +
		"'l') on conflict (tenant_id, id) do update set phone = 'x' where patients.id is null returning id",
		tellsIDTaken},
	{"update public.patients set phone = 'x' returning id", tellsPresence},
	{"update public.patients set phone = 'x' returning last_name", isDenied},
	{"update public.patients set phone = last_name", isDenied},
	{"update public.patients set phone = 'x' where id = 'VICTIM'", tellsIDTaken},
	{"update public.patients set phone = 'x' where last_name = 'Canary7'", isDenied},
	{"delete from public.patients where id = 'VICTIM'", tellsIDTaken},
	{"delete from public.patients returning id", tellsPresence},
	{"delete from public.patients returning *", isDenied},
	// joins with what is written, and MERGE
	{"update public.patients t set phone = p.last_name from phi.patients p where p.id = t.id returning p.last_name",
		tellsValue},
	{"update public.patients t set phone = 'x' from phi.patients p where p.id = t.id and p.last_name = 'Canary7'",
		tellsValue},
	{"update public.patients t set (phone, email) = (select p.last_name, p.mrn from phi.patients p where p.id = t.id)",
		tellsPresence},
	{"delete from public.patients t using phi.patients p where p.id = t.id and p.last_name = 'Canary7'", tellsValue},
	{"delete from public.patients t using phi.patients p where p.id = t.id returning p", tellsValue},
	{"merge into public.patients t using phi.patients p on p.id = t.id when matched and p.last_name = 'Canary7' then " +
		"update set phone = p.last_name", tellsValue},
	{"merge into public.patients t using (values ('VICTIM'::uuid)) v(id) on t.id = v.id when matched then delete",
		tellsIDTaken},
	{"merge into public.patients t using (values ('VICTIM'::uuid)) v(id) on t.id = v.id when matched " +
		"and t.last_name = 'Canary7' then delete", isDenied},
	{`merge into public.patients t using (values ('VICTIM'::uuid)) v(id) on t.id = v.id when matched then do nothing
			when not matched then insert (tenant_id, id, mrn, first_name, last_name)
				values ('CEDAR', 'NEW', 'm', 'f', 'l')`, tellsIDTaken},
	// EXPLAIN
	{"explain (analyze, verbose, buffers, costs off, timing off, summary off) select * from phi.patients " +
		"where last_name = 'Canary7'", tellsSize},
	{"explain (analyze, verbose, buffers, wal, costs off, timing off, summary off) select id " +
		"from public.patients order by id", tellsSize},
	{"explain (analyze, buffers, costs off, timing off, summary off) update public.patients t set phone = 'x' " +
		"from phi.patients p where p.id = t.id and p.last_name = 'Canary7'", tellsSize},
	{"explain (analyze, buffers, costs off, timing off, summary off) delete from public.patients where id = 'VICTIM'",
		tellsIDTaken},
	{"explain (analyze, buffers, costs off, timing off, summary off) select id from phi.patients limit 1", tellsSize},
	{"explain (analyze, costs off) select last_name from public.patients", isDenied},
	// COPY
	{"copy (select last_name from phi.patients) to stdout", tellsValue},
	{"copy (update public.patients t set phone = 'x' from phi.patients p where p.id = t.id " +
		"returning p.last_name) to stdout", tellsValue},
	{"copy public.patients to stdout", isDenied},
	{"copy public.patients (tenant_id, id) to stdout", tellsPresence},
	{"copy phi.patients to stdout", "42809"},
	{"copy (select last_name from phi.patients) to program 'cat'", isDenied},
	// error texts
	{"select last_name::int from phi.patients", tellsValue},
	{"select last_name::date from phi.patients", tellsValue},
	{"select 1 / (length(last_name) - 7) from phi.patients", tellsValue},
	{"select 'x' ~ ('[' || last_name) from phi.patients", tellsValue},
	{"select last_name::jsonb from phi.patients", tellsValue},
	{"select ('{' || last_name)::int[] from phi.patients", tellsValue},
	{"select to_regclass(last_name), last_name::regclass from phi.patients", tellsValue},
	{"select set_config(last_name || '.x y', 'v', true) from phi.patients", tellsValue},
	{"select set_config('timezone', last_name, true) from phi.patients", tellsValue},
	{"select (select last_name from phi.patients p union all select mrn from phi.patients)", tellsPresence},
	{"update public.patients set mrn = null where id = 'VICTIM'", tellsIDTaken},
	{"update public.patients t set mrn = null from phi.patients p where p.id = t.id and p.last_name = 'Canary7'",
		tellsValue},
	{"update public.patients t set birth_date = p.last_name::date from phi.patients p where p.id = t.id", tellsValue},
	{"insert into public.patients (tenant_id, id, mrn, first_name, last_name) " +
		"values ('CEDAR', 'VICTIM', 'm', 'f', 'l')", tellsIDTaken},
	{"insert into public.notes (tenant_id, id, patient_id, body) values ('CEDAR', 'NEW', 'VICTIM', 'b')", tellsIDTaken},
	{"insert into public.notes (tenant_id, id, patient_id, body) select 'CEDAR', 'NEW', 'NOBODY', last_name " +
		"from phi.patients where last_name = 'Canary7'", tellsValue},
	{"do $$ declare v text; begin select last_name into strict v from phi.patients where id = 'VICTIM'; raise '%', v " +
		"using detail = v, hint = v; end $$", tellsValue},
	{"do $$ begin perform last_name::int from phi.patients where id = 'VICTIM'; exception " +
		"when others then raise notice '% %', sqlstate, sqlerrm; end $$", tellsValue},
	{"do $$ begin update public.patients set phone = 'x' where id = 'VICTIM'; raise notice '%', found; exception " +
		"when others then raise notice '% %', sqlstate, sqlerrm; end $$", tellsIDTaken},
	// aggregates, lateral joins, set operations, CTEs with side effects
	{"select array_agg(last_name), string_agg(mrn, ','), max(last_name), count(distinct last_name) from phi.patients",
		tellsValue},
	{"select last_name, rank() over (order by last_name desc) from phi.patients", tellsValue},
	{"select percentile_disc(0.5) within group (order by last_name), mode() within group (order by mrn) " +
		"from phi.patients", tellsValue},
	{"select last_name, count(*) from phi.patients group by rollup (last_name) having max(last_name) > 'Canary'",
		tellsValue},
	{"select l.last_name from (values ('VICTIM'::uuid)) v(id) cross join lateral (select * from phi.patients p " +
		"where p.id = v.id) l", tellsValue},
	{"select v.id, l.last_name from (values ('VICTIM'::uuid)) v(id) left join lateral (select * from phi.patients p " +
		"where p.id = v.id) l on true", tellsValue},
	{"select id from public.patients t join phi.patients p using (tenant_id, id) where p.last_name = 'Canary7'",
		tellsValue},
	{"select last_name from phi.patients intersect select 'Canary7'", tellsValue},
	{"with p as materialized (select * from phi.patients) select last_name from p", tellsValue},
	{"with recursive r(n, v) as (select 1, (select max(last_name) from phi.patients) union all select n + 1, v " +
		"from r where n < 2) select * from r", tellsValue},
	{"with x as (update public.patients set phone = 'x' returning id) select p.last_name from x " +
		"join phi.patients p using (id)", tellsValue},
	{`with x as (delete from public.patients returning id),
			y as (insert into public.patients (tenant_id, id, mrn, first_name, last_name) select 'CEDAR', 'NEW', 'm',
			'f', 'l' from x returning id) select count(*) from y, phi.patients`, tellsPresence},
	{"with x as (select set_config('x.loot', last_name, false) from phi.patients) " +
		"select count(*), current_setting('x.loot', true) from x", tellsValue},
	{"select (select string_agg(last_name, ',') from phi.patients), current_setting('x.loot', true)", tellsValue},
	// the caller's own functions, operators and aggregates
	{"FUNCTIONS select last_name from phi.patients where pg_temp.leak(last_name)", tellsValue},
	{"FUNCTIONS select 1 from phi.patients where last_name operator(pg_temp.<<<) 'Canary7'", tellsValue},
	{"FUNCTIONS select pg_temp.gather(last_name) from phi.patients", tellsValue},
	{"FUNCTIONS select pg_temp.leak(last_name) from public.patients", isDenied},
	{"FUNCTIONS select id from public.patients where pg_temp.leak(id::text)", tellsPresence},
	{"FUNCTIONS update public.patients set phone = 'x' where pg_temp.leak(id::text)", tellsPresence},
	{"FUNCTIONS delete from public.patients t where pg_temp.leak(t::text)", isDenied},
	{"create function public.f(text) returns bool language sql as 'select true'", isDenied},
}

// callersCode is what FUNCTIONS stands for.
const callersCode = `create function pg_temp.leak(v text) returns bool
	language plpgsql immutable cost 0.0000001 as $$ begin raise notice 'saw %', v; return true; end $$;
	create function pg_temp.before(a text, b text) returns bool
		language plpgsql immutable cost 0.0000001 as $$ begin raise notice 'compared %', a; return a < b; end $$;
	create operator pg_temp.<<< (leftarg = text, rightarg = text, function = pg_temp.before, restrict = scalarltsel);
	create function pg_temp.step(s text, v text) returns text
		language plpgsql as $$ begin raise notice 'stepped %', v; return concat(s, v); end $$;
	create aggregate pg_temp.gather(text) (sfunc = pg_temp.step, stype = text, initcond = ''); `

// sweeper is one connection that notes everything it is told.
type sweeper struct {
	*attacker
	told *strings.Builder
}

func newSweeper(s *scene, t *testing.T) *sweeper {
	t.Helper()
	config, err := pgx.ParseConfig(s.DB.DSN("ward_app"))
	if err != nil {
		t.Fatal(err)
	}
	w := &sweeper{told: &strings.Builder{}}
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	config.RuntimeParams["statement_timeout"] = "10s"
	// enable_seqscan = off makes every plan dear enough to be compiled, which takes most of the time
	config.RuntimeParams["jit"] = "off"
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { w.tell((*pgconn.PgError)(n)) }
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	w.attacker = &attacker{t: t, Conn: conn}
	return w
}

func (w *sweeper) tell(e *pgconn.PgError) {
	fmt.Fprintln(w.told, e.Severity, e.Code, e.Message, e.Detail, e.Hint, e.Position, e.Where, e.SchemaName,
		e.TableName, e.ColumnName, e.DataTypeName, e.ConstraintName)
}

// temporarySchema is numbered by connection: 18 names it in the context of a notice.
var temporarySchema = regexp.MustCompile(`pg_temp_\d+\.`)

// everything runs one message in a transaction of its own, rolls it back, and gives rows, row counts, command tags,
// notices and error texts, and the SQLSTATE.
func (w *sweeper) everything(token string, d uuid.UUID, sql string) (told, code string) {
	w.t.Helper()
	w.accepted(token, d)
	w.must("set local enable_seqscan = off")
	w.told.Reset()
	var err error
	if strings.HasPrefix(sql, "copy ") {
		var tag pgconn.CommandTag
		tag, err = w.PgConn().CopyTo(w.t.Context(), w.told, sql)
		fmt.Fprintln(w.told, tag)
	} else {
		var results []*pgconn.Result
		results, err = w.PgConn().Exec(w.t.Context(), sql).ReadAll()
		for _, r := range results {
			for _, row := range r.Rows {
				fmt.Fprintf(w.told, "%s\n", row)
			}
			fmt.Fprintln(w.told, r.CommandTag)
		}
	}
	if pg := (*pgconn.PgError)(nil); errors.As(err, &pg) {
		w.tell(pg)
		code = pg.Code
		if code == "57014" {
			w.t.Fatalf("does not end: %s", sql)
		}
	} else if err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
	told = temporarySchema.ReplaceAllString(w.told.String(), "pg_temp.")
	if err := w.raw("rollback; deallocate all; reset x.loot"); err != nil {
		w.t.Fatal(err)
	}
	return told, code
}

// sweep is what the database may hold, and what the attacker asked for.
type sweep struct {
	*scene
	victim, dummy uuid.UUID
	texts         []string // the statements, filled in
}

// states of the victim: there with one name, there with another, not there.
var states = []string{"Canary7", "Zeta-Canary", ""} // on either side of the dummy in an index

// arrange brings the victim into a state, with nothing left in the table's pages of the one before.
func (s *sweep) arrange(name string) {
	s.t.Helper()
	s.super("alter table public.patients disable trigger user")
	s.super("delete from public.patients where id = $1", s.victim)
	s.super("delete from tenancy.record where record_id = $1", s.victim)
	if name != "" {
		s.super("insert into public.patients (tenant_id, id, mrn, first_name, last_name, created_at) "+
			"values ($1, $2, $3, 'Test', $3, '2026-01-01')", s.cedar, s.victim, name)
		s.super("insert into tenancy.record (record_table, record_id, tenant_id, subject_id) "+
			"values ('public.patients', $1, $2, $1)", s.victim, s.cedar)
	}
	s.super("alter table public.patients enable always trigger audit_write")
	s.super("vacuum (full) public.patients")
	s.super("vacuum (full) tenancy.record")
}

// disclosures are those that show nothing of the victim, and last the victim's own.
func (s *sweep) disclosures(t *testing.T) (names []string, ids []uuid.UUID) {
	t.Helper()
	casey, hugo := s.token("casey@cedar"), s.token("hugo@harbor")
	a := s.conn(t)
	names = []string{"none", "another clinic's, of this id", "of another clinic's record",
		"of another record", "its own"}
	return names, []uuid.UUID{uuid.Nil, a.asked(hugo, s.victim), a.asked(casey, s.theirs), a.asked(casey, s.dummy),
		a.asked(casey, s.victim)}
}

// told[disclosure][statement][state]
type told [][][]string

// run tries every statement in every state under every disclosure.
func (s *sweep) run(t *testing.T, codes map[string][]string) told {
	t.Helper()
	out := make(told, 5)
	for i := range out {
		out[i] = make([][]string, len(swept))
	}
	for _, state := range states {
		s.arrange(state)
		w := newSweeper(s.scene, t)
		_, ids := s.disclosures(t)
		for i, d := range ids {
			for j, sql := range s.texts {
				if strings.HasPrefix(sql, "explain") { // once more for the caches, which BUFFERS shows
					w.everything(s.token("casey@cedar"), d, sql)
				}
				text, code := w.everything(s.token("casey@cedar"), d, sql)
				out[i][j] = append(out[i][j], text)
				codes[sql] = append(codes[sql], code)
			}
		}
		if err := w.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func newSweep(t *testing.T) *sweep {
	t.Helper()
	s := &sweep{scene: newScene(t)}
	s.victim, s.dummy = uuid.New(), s.Patient(s.App("casey", "cedar"), "cedar", "Dummy")
	// one record and the victim: the table is small, so that a plan shows every row
	s.super("delete from tenancy.record where record_id = $1", s.mine)
	s.super("alter table public.patients disable trigger user")
	s.super("delete from public.patients where id = $1", s.mine)
	s.super("update tenancy.setting set disclosure_lease = '5 minutes'")
	// for code of the caller's own
	s.super("do $$ begin execute format('grant temporary on database %I to ward_app', current_database()); end $$")
	s.super("alter table public.patients set (autovacuum_enabled = off)")
	fill := strings.NewReplacer("FUNCTIONS ", callersCode, "VICTIM", s.victim.String(), "DUMMY", s.dummy.String(),
		"CEDAR", s.cedar.String(), "NEW", uuid.NewString(), "NOBODY", uuid.NewString())
	for _, c := range swept {
		s.texts = append(s.texts, fill.Replace(c.sql))
	}
	return s
}

// Every statement through which a value could come, with no disclosure, another clinic's, and those of other records:
// what comes back is the same whatever the victim holds, and whether it is there. Under the victim's own disclosure it
// differs, so the statement would tell.
func TestWriteAheadStatements(t *testing.T) {
	s := newSweep(t)
	// a leak differs every time; what a vacuum, or another database's changes to roles, adds to BUFFERS does not
	const rounds = 10
	codes := map[string][]string{}
	var leaks, mute map[string]bool
	for range rounds {
		out := s.run(t, codes)
		names, _ := s.disclosures(t)
		again, silent := map[string]bool{}, map[string]bool{}
		for j, c := range swept {
			for i, name := range names[:len(names)-1] {
				if got := out[i][j]; got[0] != got[1] || c.tells != tellsIDTaken && c.tells != tellsSize &&
					got[0] != got[2] || !strings.Contains(c.sql, "Canary") &&
					slices.ContainsFunc(got, func(v string) bool { return strings.Contains(v, "Canary") }) {
					again[c.sql+": "+name] = true
				}
			}
			own := out[len(names)-1][j]
			if c.tells == tellsValue && own[0] == own[1] ||
				(c.tells == tellsPresence || c.tells == tellsIDTaken || c.tells == tellsSize) && own[0] == own[2] {
				silent[c.sql] = true
			}
		}
		if leaks == nil {
			leaks, mute = again, silent
		}
		keepCommon(leaks, again)
		keepCommon(mute, silent)
		if len(leaks)+len(mute) == 0 {
			break
		}
	}
	for j, c := range swept {
		t.Run(c.sql, func(t *testing.T) {
			for leak := range leaks {
				if rest, ok := strings.CutPrefix(leak, c.sql+": "); ok {
					t.Errorf("tells about the record under a disclosure: %s", rest)
				}
			}
			if mute[c.sql] {
				t.Errorf("control: tells no %s under the record's own disclosure either", c.tells)
			}
			if !slices.Contains([]string{tellsValue, tellsPresence, tellsIDTaken, tellsSize}, c.tells) {
				if got := slices.Compact(slices.Sorted(slices.Values(codes[s.texts[j]]))); len(got) != 1 ||
					got[0] != c.tells {
					t.Errorf("refused by %v, want %s", got, c.tells)
				}
			}
		})
	}
}

func keepCommon(all, also map[string]bool) {
	for k := range all {
		if !also[k] {
			delete(all, k)
		}
	}
}
