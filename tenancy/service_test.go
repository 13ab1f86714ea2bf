package tenancy_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/tenancy"
)

// A service account signs in by its secret alone, and a refusal says the same whatever was wrong.
func TestServiceSignsInBySecretOnly(t *testing.T) {
	s := newScene(t)
	root, db := s.Reviewer("root"), s.Open("ward_app")
	made, err := root.NewServiceSecret(t.Context(), "svc-etl", 30, time.Hour)
	if err != nil || !strings.HasPrefix(made.Secret, "wardsvc_") || len(made.Secret) < 50 {
		t.Fatal("no secret", err)
	}
	tokens, err := db.SignInService(t.Context(), "svc-etl", made.Secret, "cedar", "app")
	if err != nil {
		t.Fatal(err)
	}
	if _, claims := parts(t, tokens.Access); claims["kind"] != "service" || claims["role"] != "service" {
		t.Fatalf("signed in as %v", claims)
	}
	if n := wardtest.One[int](s.Env,
		"select count(*) from tenancy.service_secret x where x::text like '%' || $1 || '%'", made.Secret); n != 0 {
		t.Fatal("the secret itself is stored")
	}
	if n := s.events("detail like '%' || $1 || '%'", made.Secret[8:]); n != 0 {
		t.Fatal("the secret is in an event")
	}
	// a service account with a password hash, as an older version or an administrator by hand may have left one
	s.super("update tenancy.users set password_hash = (select password_hash from tenancy.users where slug = 'casey') " +
		"where slug = 'svc-etl'")
	for name, try := range map[string]func() error{
		"by password": func() error {
			_, err := db.SignIn(t.Context(),
				tenancy.Credentials{User: "svc-etl", Password: wardtest.Password, Tenant: "cedar"})
			return err
		},
		"a wrong password": func() error {
			_, err := db.SignIn(t.Context(),
				tenancy.Credentials{User: "svc-etl", Password: "not this one at all", Tenant: "cedar"})
			return err
		},
		"a wrong secret": func() error {
			_, err := db.SignInService(t.Context(), "svc-etl", made.Secret+"x", "cedar", "app")
			return err
		},
		"no secret": func() error {
			_, err := db.SignInService(t.Context(), "svc-etl", "", "cedar", "app")
			return err
		},
		"another clinic": func() error {
			_, err := db.SignInService(t.Context(), "svc-etl", made.Secret, "harbor", "app")
			return err
		},
		"a person's name": func() error {
			_, err := db.SignInService(t.Context(), "casey", made.Secret, "cedar", "app")
			return err
		},
		"nobody's name": func() error {
			_, err := db.SignInService(t.Context(), "svc-nobody", made.Secret, "cedar", "app")
			return err
		},
		"to review": func() error {
			_, err := db.SignInService(t.Context(), "svc-etl", made.Secret, "cedar", tenancy.ReviewAudience)
			return err
		},
	} {
		before := s.events("action = 'sign_in' and outcome = 'denied'")
		var r *tenancy.RefusedError
		if err := try(); !errors.As(err, &r) || r.Code != tenancy.RefusedNotAccepted ||
			r.Why != "user, password or clinic not accepted" {
			t.Errorf("%s: %v", name, err)
		}
		if s.events("action = 'sign_in' and outcome = 'denied'") != before+1 {
			t.Errorf("%s: not on record", name)
		}
	}
	a := s.conn(t)
	if why := value[string](a, "select reason from tenancy.sign_in_service('svc-etl', '"+made.Secret+
		"', 'cedar')"); !strings.Contains(why, "query text") {
		t.Errorf("a secret in the query text: %q", why)
	}
	refused(t, a.try("select tenancy.new_service_secret('svc-etl')"), "42501", "permission denied")
	restore := s.without(t, "tenancy.sign_in", "person.kind = 'human' and", "")
	defer restore()
	if _, err := db.SignIn(t.Context(),
		tenancy.Credentials{User: "svc-etl", Password: wardtest.Password, Tenant: "cedar"}); err != nil {
		t.Errorf("does not work without its defence: %v", err)
	}
}

// Secrets rotate: the one before goes on for a while, an older one ends, and all of them run out.
func TestServiceSecretsRotate(t *testing.T) {
	s := newScene(t)
	root, db := s.Reviewer("root"), s.Open("ward_app")
	secret := func(overlap time.Duration) tenancy.NewSecret {
		t.Helper()
		made, err := root.NewServiceSecret(t.Context(), "svc-etl", 30, overlap)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	works := func(made tenancy.NewSecret) bool {
		_, err := db.SignInService(t.Context(), "svc-etl", made.Secret, "cedar", "app")
		return err == nil
	}
	first := secret(time.Hour)
	second := secret(time.Hour)
	if !works(first) || !works(second) || second.BeforeUntil == nil || time.Until(*second.BeforeUntil) > time.Hour {
		t.Fatal("two secrets do not overlap")
	}
	third := secret(time.Hour)
	if works(first) || !works(second) || !works(third) {
		t.Fatal("not the two newest are valid")
	}
	services, err := root.Services(t.Context(), "svc-etl")
	if err != nil || len(services) != 1 || len(services[0].Secrets) != 2 {
		t.Fatalf("%+v, %v", services, err)
	}
	s.super("update tenancy.service_secret set expires_at = clock_timestamp() where id = $1", second.ID)
	if works(second) {
		t.Fatal("an expired secret works")
	}
	tokens, err := db.SignInService(t.Context(), "svc-etl", third.Secret, "cedar", "app")
	if err != nil {
		t.Fatal(err)
	}
	fourth := secret(0) // after a leak
	if works(third) || !works(fourth) || fourth.SessionsEnded == 0 {
		t.Fatal("a secret that leaked still works")
	}
	a := s.conn(t)
	if why := a.begin(tokens.Access, uuid.Nil); why == "" {
		t.Fatal("a session of the leaked secret lives on")
	}
	a.must("rollback")
	_, err = s.Reviewer("dana").NewServiceSecret(t.Context(), "svc-etl", 30, 0)
	denied(t, err, "42501", "configure")
	if _, err := root.AddMember(t.Context(), "harbor", "svc-etl", "service"); err != nil {
		t.Fatal(err)
	}
	if _, err := root.AddGrant(t.Context(),
		tenancy.NewGrant{User: "carla", Role: "administrator", Tenant: "cedar", Reason: "runs cedar"}); err != nil {
		t.Fatal(err)
	}
	_, err = s.Reviewer("carla").NewServiceSecret(t.Context(), "svc-etl", 30, 0)
	denied(t, err, "42501", "clinics that you do not reach") // it opens harbor too
}

// What an account declares is a list that an administrator keeps.
func TestServiceDeclares(t *testing.T) {
	s := newScene(t)
	root := s.Reviewer("root")
	cedar := "cedar"
	for _, d := range []tenancy.Declaration{{Action: "export", RecordTable: "claims", Tenant: &cedar, FromHour: 0,
		ToHour: 6}, {Action: "export", RecordTable: "claims", ToHour: 3},
		{Action: "export", RecordTable: "claims", ToHour: 4}} {
		if err := root.DeclareService(t.Context(), "svc-etl", d); err != nil {
			t.Fatal(err)
		}
	}
	for name, d := range map[string]tenancy.Declaration{
		"no such table":  {Action: "view", RecordTable: "pg_class", ToHour: 24},
		"no such action": {Action: "browse", RecordTable: "claims", ToHour: 24},
		"a night":        {Action: "view", RecordTable: "claims", FromHour: 22, ToHour: 6},
	} {
		if err := root.DeclareService(t.Context(), "svc-etl", d); err == nil {
			t.Errorf("%s: declared", name)
		}
	}
	denied(t, root.DeclareService(t.Context(), "casey",
		tenancy.Declaration{Action: "view", RecordTable: "claims", ToHour: 24}), "02000", "no service account")
	got, err := root.Services(t.Context(), "svc-etl")
	if err != nil || len(got) != 1 || len(got[0].Declared) != 3 || got[0].Ownerless {
		t.Fatalf("%+v, %v", got, err)
	}
	if n, err := root.UndeclareService(t.Context(), "svc-etl", "export", "claims", ""); err != nil || n != 1 {
		t.Fatalf("%d lines, %v", n, err)
	}
	if n := wardtest.One[int](s.Env, "select count(*) from tenancy.service_permission "+
		"where record_table = 'public.claims' and tenant_id is not null"); n != 1 {
		t.Fatal("the clinic's own line went too")
	}
}
