package cli

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/ward-health/ward/internal/postgres/pgtest"
	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/internal/worker"
)

// commands are all that run, by path; nouns, which only show help, too.
func commands(t testing.TB) map[string]*cobra.Command {
	t.Helper()
	all := map[string]*cobra.Command{}
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Runnable() {
			all[c.CommandPath()] = c
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk((&app{Env: &Env{Terminal: func() bool { return false }}}).root())
	if len(all) < 40 {
		t.Fatalf("only %d commands found", len(all))
	}
	return all
}

// words reads a closed list out of a check constraint of a table or a domain of the schema.
func words(e *wardtest.Env, of, constraint string) []string {
	text := wardtest.One[string](e, "select pg_get_constraintdef(oid) from pg_constraint where conname = $2 "+
		"and (conrelid = to_regclass($1) or contypid = to_regtype($1))", of, constraint)
	var list []string
	for _, m := range regexp.MustCompile(`'([^']+)'`).FindAllStringSubmatch(text, -1) {
		list = append(list, m[1])
	}
	slices.Sort(list)
	return list
}

// The words that flags accept are the schema's.
func TestClosedListsAreTheSchemas(t *testing.T) {
	e := wardtest.New(t)
	for _, c := range []struct {
		of, constraint string
		known          []string
	}{
		{"audit.action", "action_check", auditActions},
		{"audit.purpose", "purpose_check", auditPurposes},
		{"review.anomaly", "anomaly_state_check", queueStates},
		{"review.rule", "rule_severity_check", severities},
	} {
		want, got := words(e, c.of, c.constraint), slices.Sorted(slices.Values(c.known))
		if len(want) == 0 || !slices.Equal(got, want) {
			t.Errorf("%s of %s: the schema has %q, the command line %q", c.constraint, c.of, want, got)
		}
	}
}

// So are the dispositions.
func TestDispositionsAreTheSchemas(t *testing.T) {
	e := wardtest.New(t)
	want := wardtest.One[[]string](e, "select array_agg(name order by name collate \"C\") from review.disposition")
	if got := slices.Sorted(slices.Values(dispositionNames)); len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("the schema has %q, the command line %q", want, got)
	}
}

// Every command says what it leaves in the audit log, or why nothing.
func TestEveryCommandDeclaresItsEvent(t *testing.T) {
	for path, c := range commands(t) {
		action, audited := c.Annotations[annotationAudit]
		why, exempt := c.Annotations[annotationExempt]
		switch {
		case audited == exempt:
			t.Errorf("%s: has %d of the two annotations, wants one", path, len(c.Annotations))
		case audited && !slices.Contains(auditActions, action):
			t.Errorf("%s: %q is no action of the closed list", path, action)
		case exempt && len(strings.Fields(why)) < 2:
			t.Errorf("%s: exempt without a reason", path)
		}
		if _, called := calls[path]; audited != called {
			t.Errorf("%s: audited is %v, but that it is in the table of this test is %v", path, audited, called)
		}
	}
}

// fault makes the audit log refuse events: those after the first n of what follows.
const fault = `create table public.fault (allowed int not null);
	insert into public.fault values (1000000);
	create sequence public.fault_count;
	create function public.fault() returns trigger language plpgsql security definer as $$
	begin
		if nextval('public.fault_count') > (select allowed from public.fault) then
			raise exception 'the audit log takes no more events';
		end if;
		return new;
	end $$;
	create trigger fault before insert on audit.event for each row execute function public.fault()`

func (s *scene) exec(sql string, args ...any) {
	s.t.Helper()
	_, err := s.Super.Exec(s.t.Context(), sql, args...)
	s.must(err)
}

func (s *scene) allow(n int) {
	s.t.Helper()
	s.exec("update public.fault set allowed = $1", n)
	s.exec("select setval('public.fault_count', 1, false)")
}

// onceRecorded runs a command again and again, with the audit log refusing its first event, then its second, and so on:
// each time nothing may be shown. Then, with the refusal gone, the same command succeeds.
func (s *scene) onceRecorded(t *testing.T, path string, c call, args []string) {
	const most = 12
	for allowed := 0; ; allowed++ {
		s.allow(allowed)
		got := s.ward(t.Context(), c.user, c.input, args...)
		if got.code == exitOK && allowed > 0 {
			var attempts int // not rolled back, as everything else of a refused event is
			s.must(s.Super.QueryRow(t.Context(),
				"select case when is_called then last_value else 0 end from public.fault_count").Scan(&attempts))
			if attempts > allowed {
				t.Fatalf("%s succeeded although its event %d of %d was refused: %s", path, allowed+1, attempts, got)
			}
			return
		}
		if got.code != exitFailed || got.out != "" || strings.Count(got.errors, "\n") != 1 ||
			!strings.Contains(got.errors, "takes no more events") {
			t.Fatalf("%s with %d of its events recorded: %s\n"+
				"want exit 1, nothing on standard output and one line that says why", path, allowed, got)
		}
		if c.nothing != nil {
			if _, err := os.Lstat(c.nothing(s)); err == nil {
				t.Fatalf("%s with %d of its events recorded left %s", path, allowed, c.nothing(s))
			}
		}
		if allowed == most {
			t.Fatalf("%s still fails with %d events recorded: %s", path, allowed, got)
		}
	}
}

// Whatever a command shows or does, its event is durable first.
func TestNothingIsShownUnlessItIsRecorded(t *testing.T) {
	all := commands(t)
	s := newScene(t)
	s.anomaly("cedar", "carla", "A")
	s.exec(fault)
	paths := make([]string, 0, len(calls))
	for path := range calls {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	// eli's grant ends last: others need it
	slices.SortStableFunc(paths,
		func(a, b string) int { return strings.Count(a, "grant end") - strings.Count(b, "grant end") })
	for _, path := range paths {
		c := calls[path]
		if path == "ward init" || path == "ward totp enroll" || all[path] == nil {
			continue
		}
		t.Run(strings.TrimPrefix(path, "ward "), func(t *testing.T) {
			s.allow(1_000_000)
			if path != "ward login" {
				s.signIn(c.user)
			}
			args := c.prepare(s)
			last := wardtest.One[int64](s.Env, "select max(event_id) from audit.event")
			s.onceRecorded(t, path, c, args)
			action := all[path].Annotations[annotationAudit]
			n := wardtest.One[int](s.Env, "select count(*) from audit.event e join tenancy.users u "+
				"on u.id = e.user_id where e.event_id > $1 and e.action = $2 and e.outcome = 'ok' and u.slug = $3",
				last, action, c.user)
			if n == 0 {
				t.Errorf("%s left no event %q of %s", path, action, c.user)
			}
		})
	}
}

// The first administrator of an installation is an event too.
func TestInitIsRecorded(t *testing.T) {
	db := pgtest.New(t, pgtest.Template{})
	if _, err := worker.Migrate(t.Context(), db.Superuser()); err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.New(t.Context(), db.Superuser())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	s := &scene{Env: &wardtest.Env{DB: db, Super: pool}, t: t, dir: t.TempDir()}
	s.exec(fault)
	args := []string{"init", "--database", db.Superuser(), "--region", "us-west", "first", "First Administrator"}
	s.onceRecorded(t, "ward init", calls["ward init"], args)
	var n int
	if err := pool.QueryRow(t.Context(), "select count(*) from audit.event e join tenancy.users u "+
		"on u.id = e.user_id where e.action = 'configure' and u.slug = 'first'").Scan(&n); err != nil || n != 1 {
		t.Errorf("%d events, %v; want one", n, err)
	}
	if got := s.ward(t.Context(), "first", wardtest.Password+"\n", args...); got.code != exitFailed ||
		!strings.Contains(got.errors, "initialised already") {
		t.Errorf("a second init: %s", got)
	}
}
