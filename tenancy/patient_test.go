package tenancy_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/tenancy"
)

// portal is a clinic with two patients, each with a message, and the portal identity of the first one.
type portal struct {
	*scene
	other              uuid.UUID // the second patient, Canaryother
	message, theirsToo uuid.UUID // a message of each
	root               *tenancy.Session
	pia                string // access token
	messages           string // inserts one
}

func newPortal(t *testing.T) *portal {
	t.Helper()
	s := newScene(t)
	p := &portal{scene: s, root: s.Reviewer("root"), message: uuid.New(), theirsToo: uuid.New(),
		messages: "insert into public.messages (tenant_id, id, patient_id, provider_id, sender, body) " +
			"values ($1, $2, $3, tenancy.user_id(), 'patient', 'b')"}
	casey := s.App("casey", "cedar")
	p.other = s.Patient(casey, "cedar", "Canaryother")
	a := s.conn(t)
	a.accepted(casey.Tokens().Access, uuid.Nil)
	a.must(p.messages, s.cedar, p.message, s.mine)
	a.must(p.messages, s.cedar, p.theirsToo, p.other)
	a.must("commit")
	if _, err := p.root.AddUser(t.Context(),
		tenancy.NewUser{Slug: "pia", Name: "Portal", Kind: "human", Password: wardtest.Password}); err != nil {
		t.Fatal(err)
	}
	p.pia = p.identity(s.mine)
	return p
}

// identity adds a membership of pia's for a patient and signs in under it, the newest.
func (p *portal) identity(patient uuid.UUID) string {
	p.t.Helper()
	if _, err := p.root.AddPatient(p.t.Context(), "cedar", "pia", patient); err != nil {
		p.t.Fatal(err)
	}
	return p.App("pia", "cedar").Tokens().Access
}

// shows gives the last names that a token sees after asking for ids.
func (p *portal) shows(a *attacker, token string, ids ...uuid.UUID) (string, error) {
	a.accepted(token, a.asked(token, ids...))
	defer a.must("rollback")
	names, err := a.names(readNames)
	return strings.Join(names, ","), err
}

// finds gives the last names that a search finds.
func (p *portal) finds(a *attacker, token, filter, order string) (string, error) {
	d := uuid.New()
	a.accepted(token, d)
	a.must("select audit.find($1, 'public.patients', $2, $3)", d, filter, order)
	a.must("commit")
	a.accepted(token, d)
	a.must("select audit.evaluate('public.patients', $1, $2)", filter, order)
	a.must("commit")
	a.accepted(token, d)
	defer a.must("rollback")
	names, err := a.names(readNames)
	return strings.Join(names, ","), err
}

// A portal identity reaches one patient's records, however it asks, searches or writes, and the event says who asked
// for what.
func TestPatientReachesOwnRecordsOnly(t *testing.T) {
	p := newPortal(t)
	a := p.conn(t)
	own := func(got string, err error, want string) {
		t.Helper()
		if err != nil || got != want {
			t.Fatalf("sees %d names (%v), want %q", strings.Count(got, "Canary"), err, want)
		}
	}
	t.Run("known ids of another patient", func(t *testing.T) {
		got, err := p.shows(a, p.pia, p.mine, p.other, p.theirs, uuid.New())
		own(got, err, "Canarycedar")
		got, err = p.shows(a, p.pia, p.other)
		own(got, err, "") // an empty look, as for nobody's id
	})
	t.Run("records of another kind", func(t *testing.T) {
		d := uuid.New()
		a.accepted(p.pia, uuid.Nil)
		a.must("select audit.disclose($1, 'public.messages', $2)", d, []uuid.UUID{p.message, p.theirsToo})
		a.must("commit")
		a.accepted(p.pia, d)
		if id := value[uuid.UUID](a, "select id from phi.messages"); id != p.message {
			t.Fatal("another patient's message")
		}
		if n := value[int](a, "select count(*) from phi.messages"); n != 1 {
			t.Fatalf("%d messages", n)
		}
		a.must("rollback")
	})
	t.Run("searches", func(t *testing.T) {
		for filter, want := range map[string]string{
			`[]`: "Canarycedar", `[{"column": "last_name", "op": "starts_with", "value": "Canary"}]`: "Canarycedar",
			`[{"column": "last_name", "op": "=", "value": "Canaryother"}]`:       "",
			`[{"column": "id", "op": "=", "value": "` + p.other.String() + `"}]`: "",
			`[{"column": "last_name", "op": ">=", "value": ""}]`:                 "Canarycedar",
		} {
			before := p.events("action = 'view' and record_id = $1", p.other)
			got, err := p.finds(a, p.pia, filter, "last_name desc")
			own(got, err, want)
			if after := p.events("action = 'view' and record_id = $1", p.other); after != before {
				t.Fatalf("%s: a view of another patient's record was written", filter)
			}
		}
	})
	t.Run("writes", func(t *testing.T) {
		// more than it ships with
		p.super("select tenancy.permit('patient', 'public.messages', array['modify', 'delete']), " +
			"tenancy.permit('patient', 'public.patients', array['create', 'modify'])")
		a.accepted(p.pia, uuid.Nil)
		refused(t, a.try(p.messages, p.cedar, uuid.New(), p.other), "42501", "another patient")
		a.must("rollback")
		a.accepted(p.pia, uuid.Nil)
		refused(t, a.try(columnsOf["public.patients"], p.cedar, uuid.New(), nil), "42501", "another patient")
		a.must("rollback")
		d := uuid.New()
		a.accepted(p.pia, uuid.Nil)
		a.must("select audit.disclose($1, 'public.messages', $2)", d, []uuid.UUID{p.message, p.theirsToo})
		a.must("commit")
		for _, sql := range []string{"update public.messages set sent_at = now()", "delete from public.messages"} {
			a.accepted(p.pia, d)
			tag, err := a.Exec(t.Context(), sql)
			if err != nil || tag.RowsAffected() != 1 {
				t.Fatalf("%s: %d rows, %v", sql, tag.RowsAffected(), err)
			}
			a.must("rollback")
		}
		a.accepted(p.pia, d)
		refused(t, a.try("update public.messages set patient_id = $1", p.other), "42501", "another patient")
		a.must("rollback")
		a.accepted(p.pia, uuid.Nil)
		a.must(p.messages, p.cedar, uuid.New(), p.mine)
		a.must("commit")
	})
	t.Run("a parent of two has an identity for each", func(t *testing.T) {
		second := p.identity(p.other)
		got, err := p.shows(a, second, p.mine, p.other)
		own(got, err, "Canaryother")
		got, err = p.shows(a, p.pia, p.mine, p.other)
		own(got, err, "Canarycedar")
		if n := p.events("action = 'view' and user_id = (select id from tenancy.users where slug = 'pia') and " +
			"membership_id is null"); n != 0 {
			t.Fatal("an event without its membership")
		}
	})
	t.Run("the attempts are on record as denied", func(t *testing.T) {
		worker := p.Open("ward_worker").Pool()
		if err := audit.SealAll(t.Context(), worker); err != nil {
			t.Fatal(err)
		}
		if _, err := worker.Exec(t.Context(), "select audit.classify()"); err != nil {
			t.Fatal(err)
		}
		const denied = "outcome = 'denied' and user_id = (select id from tenancy.users where slug = 'pia') and " +
			"detail::jsonb->>'reason' = "
		if n := p.events(denied+"'the record belongs to another patient' and record_id = $1", p.other); n == 0 {
			t.Error("no attempt at the other patient's record")
		}
		if n := p.events(denied+"'the record belongs to another clinic' and record_id = $1", p.theirs); n != 1 {
			t.Errorf("%d attempts at another clinic's record", n)
		}
		if n := p.events("outcome = 'denied' and record_id = $1 and membership_id = (select min(id::text)::uuid from "+
			"tenancy.membership where patient_id = $1)", p.mine); n != 0 {
			t.Errorf("%d of the person's own views are denied", n)
		}
		if n := p.events("outcome = 'denied' and user_id = (select id from tenancy.users where slug = 'casey') and " +
			"detail like '%another patient%'"); n != 0 {
			t.Error("a clinician's view is denied as another patient's")
		}
	})
}

// Each bound of a portal identity is what stops its attack.
func TestPatientWithoutTheDefence(t *testing.T) {
	p := newPortal(t)
	for _, c := range []struct {
		name, function, part, instead string
		attack                        func(a *attacker) bool
	}{
		{"the look", "tenancy.disclosed", "claims ? 'pat'", "false", func(a *attacker) bool {
			got, err := p.shows(a, p.pia, p.mine, p.other)
			return err == nil && got == "Canarycedar,Canaryother"
		}},
		{"the search", "audit.evaluate", "patient is not null", "false", func(a *attacker) bool {
			before := p.events("action = 'view' and record_id = $1", p.other)
			_, err := p.finds(a, p.pia, `[{"column": "last_name", "op": "=", "value": "Canaryother"}]`, "id")
			// how many there are, at least
			return err == nil && p.events("action = 'view' and record_id = $1", p.other) == before+1
		}},
		{"the write", "tenancy.on_write", "claims ? 'pat'", "false", func(a *attacker) bool {
			a.accepted(p.pia, uuid.Nil)
			defer a.must("rollback")
			return a.try(p.messages, p.cedar, uuid.New(), p.other) == nil
		}},
		{"the claim", "tenancy.mint", "'pat', member.patient_id,", "", func(a *attacker) bool {
			got, err := p.shows(a, p.App("pia", "cedar").Tokens().Access, p.other)
			return err == nil && got == "Canaryother"
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			restore := p.without(t, c.function, c.part, c.instead)
			defer restore()
			if !c.attack(p.conn(t)) {
				t.Error("does not work without its defence: what else stops it?")
			}
		})
	}
}

// A portal identity is made for a patient of that clinic, and for nobody else; it becomes nothing else.
func TestPortalIdentityIsBound(t *testing.T) {
	p := newPortal(t)
	for name, try := range map[string]func() error{
		"no patient": func() error {
			_, err := p.root.AddMember(t.Context(), "cedar", "carla", "patient")
			return err
		},
		"another clinic's": func() error {
			_, err := p.root.AddPatient(t.Context(), "cedar", "carla", p.theirs)
			return err
		},
		"a record that is none": func() error {
			_, err := p.root.AddPatient(t.Context(), "cedar", "carla", p.message)
			return err
		},
		"a service account": func() error {
			_, err := p.root.AddPatient(t.Context(), "cedar", "svc-etl", p.mine)
			return err
		},
		"the same a second time": func() error {
			_, err := p.root.AddPatient(t.Context(), "cedar", "pia", p.mine)
			return err
		},
		"into a clinician": func() error {
			_, err := p.root.ChangeRole(t.Context(), wardtest.One[string](p.Env,
				"select id::text from tenancy.membership where patient_id = $1", p.mine), "clinician", "a try")
			return err
		},
	} {
		if try() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	_, err := p.Super.Exec(t.Context(), "update tenancy.membership set patient_id = $1 where patient_id = $2",
		p.other, p.mine)
	refused(t, err, "42501", "cannot be changed")
	_, err = p.Super.Exec(t.Context(), "insert into tenancy.membership (tenant_id, user_id, role) "+
		"select $1, id, 'patient' from tenancy.users where slug = 'carla'", p.cedar)
	refused(t, err, "23514", "membership")
}
