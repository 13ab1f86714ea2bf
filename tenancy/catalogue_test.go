package tenancy_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/ward-health/ward/internal/wardtest"
)

// What became of an attack.
const (
	closed        = "closed"
	residual      = "residual"       // works, and docs/SECURITY.md says what it reveals
	notApplicable = "not applicable" // ward has nothing that it could be tried on, which its test checks
)

// attack is one row of docs/ATTACKS.md. try carries it out over real connections as the real roles: of a closed one it
// fails when the attack works, and where the defence can be taken away in SQL it then also sees it work; of a residual
// one it fails when the attack works no longer.
type attack struct {
	number, name string // the sub-test is number_name
	words        string
	verdict      string
	why          string // what closes it, why it does not apply, or what it reveals
	point        int    // of a residual one: its point in docs/SECURITY.md
	try          func(t *testing.T, s *scene)
	alone        bool // changes the database for the others: it gets one of its own
}

// logins are the roles that an attacker may speak SQL as.
var logins = []string{"ward_app", "ward_worker", "ward_reviewer"}

// The catalogue of attacks on row security, its 63 entries by their numbers.
func TestCatalogue(t *testing.T) {
	attacks := catalogue()
	if len(attacks) != 63 {
		t.Fatalf("%d entries, the catalogue has 63", len(attacks))
	}
	runAttacks(t, attacks, "")
}

// What the catalogue does not have: attacks thought of for ward.
func TestCatalogueMore(t *testing.T) {
	attacks := more()
	if len(attacks) != 26 {
		t.Fatalf("%d entries, there are 26", len(attacks))
	}
	runAttacks(t, attacks, "W")
}

func runAttacks(t *testing.T, attacks []attack, prefix string) {
	t.Helper()
	shared := newScene(t)
	for i, a := range attacks {
		if want := fmt.Sprintf("%s%02d", prefix, i+1); a.number != want {
			t.Fatalf("entry %s stands where %s belongs", a.number, want)
		}
		if a.try == nil || a.why == "" || (a.verdict == residual) != (a.point > 0) {
			t.Fatalf("%s: incomplete", a.number)
		}
		t.Run(a.number+"_"+a.name, func(t *testing.T) {
			if a.alone {
				a.try(t, newScene(t))
				return
			}
			s := *shared
			s.t = t
			a.try(t, &s)
		})
	}
}

// docs/ATTACKS.md says what is held here, row for row, and the points that it sends a reader to are in
// docs/SECURITY.md.
func TestAttacksPage(t *testing.T) {
	page, err := os.ReadFile("../docs/ATTACKS.md")
	if err != nil {
		t.Fatal(err)
	}
	security, err := os.ReadFile("../docs/SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	said := regexp.MustCompile(`(?m)^\| W?\d\d \|.*$`).FindAllString(string(page), -1)
	var want []string
	for _, a := range append(catalogue(), more()...) {
		want = append(want, a.row())
		if a.point > 0 && !regexp.MustCompile(fmt.Sprintf(`(?m)^%d\. \*\*`, a.point)).Match(security) {
			t.Errorf("%s: docs/SECURITY.md has no point %d", a.number, a.point)
		}
	}
	if got := strings.Join(said, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("docs/ATTACKS.md differs from the tests; its tables should read\n%s", strings.Join(want, "\n"))
	}
}

func (a attack) row() string {
	verdict := a.verdict
	if a.point > 0 {
		verdict = fmt.Sprintf("residual, [point %d](SECURITY.md#what-remains-open)", a.point)
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %#q |", a.number, a.words, verdict, a.why, a.name)
}

// asEach runs fn on a bare connection of each login.
func (s *scene) asEach(t *testing.T, fn func(role string, a *attacker)) {
	t.Helper()
	for _, role := range logins {
		fn(role, s.connAs(t, role))
	}
}

// cannot fails unless each statement is refused for want of a privilege, within the transaction that is open or without
// one.
func (a *attacker) cannot(t *testing.T, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		within := a.PgConn().TxStatus() == 'T'
		if within {
			a.must("savepoint cannot")
		}
		err := a.raw(sql)
		if within {
			a.must("rollback to cannot")
		}
		if err == nil {
			t.Fatalf("works: %s", sql)
		}
		refused(t, err, "42501", "")
	}
}

// undisclosed adds a patient of cedar whom nobody asks for.
func (s *scene) undisclosed() uuid.UUID {
	s.t.Helper()
	return s.Patient(s.App("casey", "cedar"), "cedar", "Canarysecond")
}

// openView shows rows by a plain condition: the view without its barrier and without OFFSET 0.
const openView = "create or replace view phi.patients with (security_barrier = false) as select * " +
	"from public.patients where (audit.disclosed('public.patients')).ids @> array[id]"

// grantTemp gives ward_app the right to make temporary objects, which the first migration takes away.
const grantTemp = "do $$ begin execute format('grant temporary on database %I to ward_app', current_database()); end $$"

// ids reads the ids that a query gives.
func (a *attacker) ids(t *testing.T, sql string, args ...any) string {
	t.Helper()
	return value[string](a, "select coalesce(string_agg(x.id::text, ' ' order by x.id), '') from ("+sql+
		") x(id)", args...)
}

// plan is EXPLAIN's answer as one text.
func (a *attacker) plan(t *testing.T, options, sql string, args ...any) string {
	t.Helper()
	lines, err := a.names("explain ("+options+") "+sql, args...)
	if err != nil {
		t.Fatalf("explain: %v", err)
	}
	return strings.Join(lines, "\n")
}

// serverVersion is server_version_num, such as 150018.
func (s *scene) serverVersion() int {
	s.t.Helper()
	return wardtest.One[int](s.Env, "select current_setting('server_version_num')::int")
}
