package tenancy_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/tenancy"
)

// denied fails unless err is the database's refusal with this SQLSTATE ("": any) and these words.
func denied(t *testing.T, err error, code, words string) {
	t.Helper()
	var d *tenancy.DeniedError
	if !errors.As(err, &d) || (code != "" && d.SQLSTATE != code) || !strings.Contains(d.Message, words) {
		t.Fatalf("got %v, want %s %q", err, code, words)
	}
}

func (s *scene) membership(tenant, user string) string {
	s.t.Helper()
	return wardtest.One[string](s.Env,
		"select m.id::text from tenancy.membership m join tenancy.tenant t on t.id = m.tenant_id join tenancy.users "+
			"u on u.id = m.user_id where t.slug = $1 and u.slug = $2 and m.terminated_at is null", tenant, user)
}

func (s *scene) grant(user, role string) string {
	s.t.Helper()
	return wardtest.One[string](s.Env, "select g.id::text from tenancy.reviewer_grant g join tenancy.users u "+
		"on u.id = g.user_id where u.slug = $1 and g.role = $2 and g.ended_at is null", user, role)
}

// A clinician changes clinics and keeps the user_id; a reviewer reads both clinics' events as one trail, recorded at
// each.
func TestOneUserForLife(t *testing.T) {
	s := newScene(t)
	root, dana := s.Reviewer("root"), s.Reviewer("dana")
	hugo := s.App("hugo", "harbor")
	s.Patient(hugo, "harbor", "Canarybefore")
	id := wardtest.One[uuid.UUID](s.Env, "select id from tenancy.users where slug = 'hugo'")
	if _, err := dana.Terminate(t.Context(), s.membership("harbor", "hugo"), id.String(), "moved to cedar",
		nil); err != nil {
		t.Fatal(err)
	}
	if err := hugo.Read(t.Context(), ask(s.theirs)); err == nil {
		t.Fatal("the old membership still works")
	}
	if _, err := root.AddMember(t.Context(), "cedar", "hugo", "clinician"); err != nil {
		t.Fatal(err)
	}
	s.Patient(s.App("hugo", "cedar"), "cedar", "Canaryafter")

	last := wardtest.One[int64](s.Env, "select max(event_id) from audit.event")
	rows, err := audit.OfUser(t.Context(), dana, "hugo", "left harbor, joined cedar", "",
		audit.Filter{Action: []string{"create"}}, 100)
	if err != nil {
		t.Fatal(err)
	}
	var at []string
	for _, e := range rows {
		at = append(at, e.Tenant)
		if *e.ActorID != id {
			t.Fatal("another user's event")
		}
	}
	if got := strings.Join(at, ","); got != "cedar,harbor,harbor" {
		t.Fatalf("created at %s", got)
	}
	for _, tenant := range []string{"cedar", "harbor", "installation"} {
		if n := s.events("event_id > $1 and action = 'open' and tenant_id = $2 and detail::jsonb->>'user' = $3", last,
			s.TenantID(tenant), id.String()); n != 1 {
			t.Errorf("%d open events at %s, want 1", n, tenant)
		}
	}
	t.Run("an engineer's trail ends at the clinic", func(t *testing.T) {
		rows, err := audit.OfUser(t.Context(), s.Reviewer("omar"), "hugo", "looks for more", "", audit.Filter{}, 100)
		if err != nil || len(rows) == 0 {
			t.Fatalf("%d rows, %v", len(rows), err)
		}
		for _, e := range rows {
			if e.Tenant != "cedar" {
				t.Fatalf("an event at %s", e.Tenant)
			}
		}
	})
	t.Run("not without the look", func(t *testing.T) {
		a := s.connAs(t, "ward_reviewer")
		a.accepted(dana.Tokens().Access, uuid.New())
		if n := value[int](a, "select count(*) from audit.user_events()"); n != 0 {
			t.Fatalf("%d events without an ask", n)
		}
		a.must("rollback")
		d := uuid.New()
		a.accepted(dana.Tokens().Access, d)
		a.must("select audit.open_user($1, 'hugo', 'ask and look at once')", d)
		if n := value[int](a, "select count(*) from audit.user_events()"); n != 0 {
			t.Fatalf("%d events before the ask was committed", n)
		}
		a.must("rollback")
	})
}

// Another role is another membership; sessions of the old one end at once.
func TestRoleChange(t *testing.T) {
	s := newScene(t)
	root := s.Reviewer("root")
	session, was := s.App("frank", "cedar"), s.membership("cedar", "frank")
	done, err := root.ChangeRole(t.Context(), was, "nurse", "finished training")
	if err != nil || done.SessionsEnded != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	var refusedErr *tenancy.RefusedError
	if err := session.Tx(t.Context(), uuid.Nil, func(tenancy.Tx) error { return nil }); !errors.As(err, &refusedErr) {
		t.Fatalf("the old session: %v", err)
	}
	if _, claims := parts(t, s.App("frank", "cedar").Tokens().Access); claims["role"] != "nurse" ||
		claims["mid"] != done.NewMembership.String() {
		t.Fatalf("signed in as %v", claims["role"])
	}
	if n := wardtest.One[int](s.Env, "select count(*) from tenancy.membership where id = $1 and role = 'front_desk' "+
		"and terminated_at is not null", was); n != 1 {
		t.Fatal("the old membership is not what it was")
	}
	_, err = root.ChangeRole(t.Context(), was, "clinician", "a second time")
	denied(t, err, "55000", "terminated")
	_, err = s.Reviewer("dana").ChangeRole(t.Context(), s.membership("cedar", "carla"), "nurse", "not hers to give")
	denied(t, err, "42501", "configure")
}

// A clinic's administrator gives and ends what reaches that clinic, and nothing that reaches further.
func TestAdministratorOfOneClinic(t *testing.T) {
	s := newScene(t)
	root := s.Reviewer("root")
	if _, err := root.AddGrant(t.Context(),
		tenancy.NewGrant{User: "carla", Role: "administrator", Tenant: "cedar", Reason: "runs cedar"}); err != nil {
		t.Fatal(err)
	}
	carla := s.Reviewer("carla")
	for name, try := range map[string]func() error{
		"a grant of every clinic": func() error {
			_, err := carla.AddGrant(t.Context(),
				tenancy.NewGrant{User: "frank", Role: "administrator", Reason: "everything"})
			return err
		},
		"a grant at another clinic": func() error {
			_, err := carla.AddGrant(t.Context(),
				tenancy.NewGrant{User: "frank", Role: "auditor", Tenant: "harbor", Reason: "next door"})
			return err
		},
		"ending the installation's administrator": func() error {
			_, err := carla.EndGrant(t.Context(), s.grant("root", "administrator"), "a coup")
			return err
		},
		"ending a compliance officer": func() error {
			_, err := carla.EndGrant(t.Context(), s.grant("dana", "compliance_officer"), "a coup")
			return err
		},
		"a clinic":           func() error { _, err := carla.AddTenant(t.Context(), "oak", "Oak"); return err },
		"disabling somebody": func() error { _, err := carla.DisableUser(t.Context(), "hugo", "not hers"); return err },
		"a role": func() error {
			return carla.AllowRole(t.Context(), "front_desk", "notes", []string{"view"}, true)
		},
		"linking an identity": func() error {
			_, err := carla.LinkIdentity(t.Context(), "root", "https://login.example.org", "carla")
			return err
		},
		"taking a second factor away": func() error { return carla.RemoveTOTP(t.Context(), "root", "a coup") },
		"the second factor's policy":  func() error { return carla.RequireSecondFactor(t.Context(), "required") },
		"the signing key":             func() error { _, err := carla.RotateKey(t.Context(), true); return err },
		"an application": func() error {
			return carla.AddApplication(t.Context(), "portal", "ward_app", "hers")
		},
		"on call everywhere": func() error {
			_, err := carla.AddOnCall(t.Context(), "frank", "", "everything")
			return err
		},
		"a declaration for every clinic": func() error {
			return carla.DeclareService(t.Context(), "svc-etl",
				tenancy.Declaration{Action: "view", RecordTable: "notes", ToHour: 24})
		},
		"herself": func() error {
			_, err := carla.EndGrant(t.Context(), s.grant("carla", "administrator"), "leaving")
			return err
		},
	} {
		if err := try(); err == nil {
			t.Errorf("%s: done", name)
		}
	}
	if n := wardtest.One[int](s.Env, "select count(*) from tenancy.reviewer_grant where ended_at is not null"); n != 0 {
		t.Fatalf("%d grants ended", n)
	}
	if _, err := carla.AddGrant(t.Context(),
		tenancy.NewGrant{User: "frank", Role: "auditor", Tenant: "cedar", Reason: "helps at cedar"}); err != nil {
		t.Fatal(err)
	}
	grants, err := carla.Grants(t.Context())
	if err != nil || len(grants) == 0 {
		t.Fatal(err)
	}
	for _, g := range grants {
		if g.Tenant == nil || *g.Tenant != "cedar" {
			t.Errorf("sees the grant of %s", g.User)
		}
	}
	restore := s.without(t, "tenancy.reviewer_of", "tenant is null and not", "false and not")
	defer restore()
	if _, err := carla.AddGrant(t.Context(),
		tenancy.NewGrant{User: "frank", Role: "administrator", Reason: "everything"}); err != nil {
		t.Errorf("does not work without its defence: %v", err)
	}
}

// One administrator of the installation remains, also when two end each other at the same moment.
func TestLastAdministrator(t *testing.T) {
	s := newScene(t)
	root := s.Reviewer("root")
	if _, err := root.AddGrant(t.Context(),
		tenancy.NewGrant{User: "carla", Role: "administrator", Reason: "for an hour", Hours: 1}); err != nil {
		t.Fatal(err)
	}
	carla := s.Reviewer("carla")
	_, err := carla.EndGrant(t.Context(), s.grant("root", "administrator"), "would leave one for an hour")
	denied(t, err, "55000", "without an administrator")
	_, err = carla.DisableUser(t.Context(), "root", "would leave one for an hour")
	denied(t, err, "55000", "without an administrator")
	_, err = root.DisableUser(t.Context(), "root", "oneself")
	denied(t, err, "WARD2", "yourself")
	if _, err := root.EndGrant(t.Context(), s.grant("carla", "administrator"), "the hour is over"); err != nil {
		t.Fatal(err)
	}
	if _, err := root.AddGrant(t.Context(),
		tenancy.NewGrant{User: "carla", Role: "administrator", Reason: "a second one"}); err != nil {
		t.Fatal(err)
	}

	race := func(t *testing.T) (first, second error) {
		t.Helper()
		a, b := s.connAs(t, "ward_reviewer"), s.connAs(t, "ward_reviewer")
		a.accepted(s.Reviewer("root").Tokens().Access, uuid.Nil)
		b.accepted(s.Reviewer("carla").Tokens().Access, uuid.Nil)
		ofCarla, ofRoot := s.grant("carla", "administrator"), s.grant("root", "administrator")
		first = a.try("select tenancy.end_grant($1, 'each ends the other')", ofCarla)
		done := make(chan error, 1)
		go func() { done <- b.try("select tenancy.end_grant($1, 'each ends the other')", ofRoot) }()
		eventually(t, "the second one waits or is through", func() bool {
			return len(done) > 0 || wardtest.One[int](s.Env, "select count(*) from pg_stat_activity "+
				"where wait_event_type = 'Lock' and datname = current_database()") > 0
		})
		a.must("commit")
		second = <-done
		if second == nil {
			b.must("commit")
		} else {
			b.must("rollback")
		}
		return first, second
	}
	left := func() int {
		return wardtest.One[int](s.Env,
			"select count(*) from tenancy.reviewer_grant where role = 'administrator' and ended_at is null")
	}
	first, second := race(t)
	if first != nil || left() != 1 {
		t.Fatalf("%v; %d administrators left", first, left())
	}
	refused(t, second, "42501", "your grants do not let you grant")
	t.Run("without taking turns", func(t *testing.T) {
		s.super("insert into tenancy.reviewer_grant (user_id, role, reason) select id, 'administrator', 'once more' " +
			"from tenancy.users where slug = 'carla'")
		restore := s.without(t, "tenancy.lock_administrators", "pg_advisory_xact_lock(hashtext('ward administrators'))",
			"pg_sleep(0)")
		defer restore()
		if _, second := race(t); second != nil || left() != 0 {
			t.Errorf("does not work without its defence: %v, %d left", second, left())
		}
	})
}

// Disabling ends a person everywhere; enabling gives nothing back but the way in.
func TestDisableUser(t *testing.T) {
	s := newScene(t)
	root := s.Reviewer("root")
	if err := root.OwnService(t.Context(), "svc-etl", "casey"); err != nil {
		t.Fatal(err)
	}
	if _, err := root.AddGrant(t.Context(),
		tenancy.NewGrant{User: "casey", Role: "auditor", Tenant: "cedar", Reason: "second line"}); err != nil {
		t.Fatal(err)
	}
	cedar, harbor, reviewer := s.App("casey", "cedar"), s.App("casey", "harbor"), s.Reviewer("casey")
	p, err := root.Person(t.Context(), "casey")
	if err != nil || !slices.Equal(p.Services, []string{"svc-etl"}) ||
		!slices.Equal(p.Grants, []string{"auditor of cedar"}) || len(p.Memberships) != 2 || p.LiveSessions < 3 {
		t.Fatalf("shown before: %+v, %v", p, err)
	}
	_, err = s.Reviewer("dana").DisableUser(t.Context(), "casey", "ends a reviewer")
	denied(t, err, "42501", "grant")
	done, err := root.DisableUser(t.Context(), "casey", "left for good")
	if err != nil || done.MembershipsEnded != 2 || done.GrantsEnded != 1 || done.SessionsEnded != p.LiveSessions {
		t.Fatalf("%+v, %v", done, err)
	}
	for name, session := range map[string]*tenancy.Session{"cedar": cedar, "harbor": harbor, "review": reviewer} {
		if err := session.Tx(t.Context(), uuid.Nil, func(tenancy.Tx) error { return nil }); err == nil {
			t.Errorf("the session at %s lives on", name)
		}
	}
	app := s.Open("ward_app")
	if _, err := app.SignIn(t.Context(),
		tenancy.Credentials{User: "casey", Password: wardtest.Password, Tenant: "cedar"}); err == nil {
		t.Error("signed in while disabled")
	}
	services, err := root.Services(t.Context(), "svc-etl")
	if err != nil || len(services) != 1 || !services[0].Ownerless {
		t.Errorf("a service whose owner has left: %+v, %v", services, err)
	}
	_, err = root.AddMember(t.Context(), "cedar", "casey", "nurse")
	denied(t, err, "55000", "disabled")
	if err := root.EnableUser(t.Context(), "casey", "came back"); err != nil {
		t.Fatal(err)
	}
	if _, err := app.SignIn(t.Context(),
		tenancy.Credentials{User: "casey", Password: wardtest.Password, Tenant: "cedar"}); err == nil {
		t.Error("enabling gave a membership back")
	}
	if _, err := root.AddMember(t.Context(), "cedar", "casey", "nurse"); err != nil {
		t.Fatal(err)
	}
	if _, err := app.SignIn(t.Context(),
		tenancy.Credentials{User: "casey", Password: wardtest.Password, Tenant: "cedar"}); err != nil {
		t.Error(err)
	}
	if n := s.events("action = 'terminate' and detail::jsonb->>'user' = (select id::text from tenancy.users where " +
		"slug = 'casey')"); n != 3 {
		t.Errorf("%d terminate events, want one at each clinic and one of the installation", n)
	}
}

// A role that is taken something away has lost it at the next ask, in sessions that are live.
func TestForbidBites(t *testing.T) {
	s := newScene(t)
	root, frank := s.Reviewer("root"), s.App("frank", "cedar")
	read := func() error { return frank.Read(t.Context(), ask(s.mine)) }
	if err := read(); err != nil {
		t.Fatal(err)
	}
	if err := root.AllowRole(t.Context(), "front_desk", "patients", []string{"view"}, false); err != nil {
		t.Fatal(err)
	}
	denied(t, read(), "42501", "front_desk may not view")
	if err := root.AddRole(t.Context(), "scribe", "writes notes"); err != nil {
		t.Fatal(err)
	}
	if err := root.AllowRole(t.Context(), "scribe", "public.notes", []string{"create", "view"}, true); err != nil {
		t.Fatal(err)
	}
	if _, err := root.ChangeRole(t.Context(), s.membership("cedar", "frank"), "scribe", "another job"); err != nil {
		t.Fatal(err)
	}
	roles, err := root.Roles(t.Context(), "scribe")
	if err != nil || len(roles) != 1 || roles[0].Members != 1 || len(roles[0].Permissions) != 1 ||
		strings.Join(roles[0].Permissions[0].Actions, " ") != "create view" {
		t.Fatalf("%+v, %v", roles, err)
	}
	denied(t, s.App("frank", "cedar").Read(t.Context(), ask(s.mine)), "42501", "scribe may not view")
}

// The on-call engineer: nothing until they take a grant; then one clinic, with reason and ticket, for at most four
// hours, one at a time.
func TestOnCall(t *testing.T) {
	s := newScene(t)
	root := s.Reviewer("root")
	db := s.Open("ward_reviewer")
	if _, err := db.SignIn(t.Context(),
		tenancy.Credentials{User: "carla", Password: wardtest.Password, Audience: tenancy.ReviewAudience}); err == nil {
		t.Fatal("signed in to review without standing on the roster")
	}
	if _, err := root.AddOnCall(t.Context(), "carla", "cedar", "November's rota"); err != nil {
		t.Fatal(err)
	}
	_, err := root.AddOnCall(t.Context(), "root", "", "oneself")
	denied(t, err, "WARD2", "yourself")
	carla := s.Reviewer("carla")
	who, err := carla.Whoami(t.Context())
	if err != nil || len(who.Grants) != 0 || len(who.Actions) != 0 || !slices.Equal(who.OnCall, []string{"cedar"}) {
		t.Fatalf("%+v, %v", who, err)
	}
	_, err = carla.Members(t.Context(), "")
	denied(t, err, "42501", "browse")
	_, err = audit.Open(t.Context(), carla, "cedar", "no grant yet", "", audit.Filter{})
	denied(t, err, "", "")
	for name, try := range map[string]struct {
		tenant, reason, ticket string
		hours                  float64
	}{
		"not hers": {"harbor", "pager", "OPS-1", 1}, "nobody's": {"ceder", "pager", "OPS-1", 1},
		"no reason": {"cedar", " ", "OPS-1", 1},
		"no ticket": {"cedar", "pager", " ", 1}, "five hours": {"cedar", "pager", "OPS-1", 5},
		"no time": {"cedar", "pager", "OPS-1", 0},
	} {
		if _, err := carla.TakeOnCall(t.Context(), try.tenant, try.reason, try.ticket, try.hours); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	_, err = s.Reviewer("ana").TakeOnCall(t.Context(), "cedar", "an auditor", "OPS-1", 1)
	denied(t, err, "42501", "not on call")
	got, err := carla.TakeOnCall(t.Context(), "cedar", "portal down", "OPS-1", 4)
	if err != nil || time.Until(got.ExpiresAt) > 4*time.Hour {
		t.Fatalf("%+v, %v", got, err)
	}
	_, err = carla.TakeOnCall(t.Context(), "cedar", "portal down", "OPS-2", 4)
	denied(t, err, "55000", "this person holds an on-call grant for")
	if _, err := audit.Open(t.Context(), carla, "cedar", "portal down", "OPS-1", audit.Filter{}); err != nil {
		t.Fatal(err)
	}
	_, err = audit.Open(t.Context(), carla, "harbor", "next door", "OPS-1", audit.Filter{})
	denied(t, err, "02000", "within your reach")
	grants, err := carla.Grants(t.Context())
	if err != nil || len(grants) != 2 { // hers and omar's, both at cedar
		t.Fatalf("%d grants seen, %v", len(grants), err)
	}
	_, err = s.Super.Exec(t.Context(),
		"update tenancy.reviewer_grant set expires_at = starts_at + interval '5 hours' where id = $1", got.Grant)
	refused(t, err, "23514", "reviewer_grant")
	t.Run("gone when it runs out", func(t *testing.T) {
		s.super("update tenancy.reviewer_grant set expires_at = clock_timestamp() where id = $1", got.Grant)
		_, err := carla.Members(t.Context(), "cedar")
		denied(t, err, "42501", "browse")
	})
	if _, err := carla.TakeOnCall(t.Context(), "cedar", "still down", "OPS-1", 1); err != nil {
		t.Fatal(err)
	}
	if n, err := root.RemoveOnCall(t.Context(), "carla", "cedar", "rota over"); err != nil || n != 1 {
		t.Fatalf("%d grants ended, %v", n, err)
	}
	if _, err := carla.Whoami(t.Context()); err == nil {
		t.Error("a session that may review nothing lives on")
	}
}

// Two sessions of one person take a grant at the same moment: one gets it.
func TestOneOnCallGrantAtATime(t *testing.T) {
	s := newScene(t)
	if _, err := s.Reviewer("root").AddOnCall(t.Context(), "carla", "", "any clinic"); err != nil {
		t.Fatal(err)
	}
	a, b := s.connAs(t, "ward_reviewer"), s.connAs(t, "ward_reviewer")
	a.accepted(s.Reviewer("carla").Tokens().Access, uuid.Nil)
	b.accepted(s.Reviewer("carla").Tokens().Access, uuid.Nil)
	a.must("select tenancy.take_on_call('cedar', 'portal down', 'OPS-1')")
	done := make(chan error, 1)
	go func() { done <- b.try("select tenancy.take_on_call('harbor', 'portal down', 'OPS-1')") }()
	eventually(t, "the second one waits", func() bool {
		return wardtest.One[int](s.Env,
			"select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()") > 0
	})
	a.must("commit")
	refused(t, <-done, "55000", "this person holds an on-call grant for")
}
