package migrate_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/internal/postgres"
	"github.com/ward-health/ward/internal/worker"
	"github.com/ward-health/ward/queries/migrate"
)

// newPlatform is a site as a managed platform has it: its login platform owns the database and may create roles, and is
// no superuser. It installs ward and removes it.
func newPlatform(t *testing.T) *site {
	s := newSite(t)
	exec1(t, s.super, "drop schema audit cascade", "drop schema core cascade",
		"create role platform login createrole", "alter database clinic owner to platform")
	s.remover = s.cluster.DSN("platform", "clinic")
	return s
}

// acts are the roles of ward's that platform can act as.
func (s *site) acts() string {
	return one[string](s.t, s.super, `select coalesce(string_agg(rolname, ' ' order by rolname), '') from pg_roles
		where rolname like 'ward\_%' and (pg_has_role('platform', oid, 'usage') or pg_has_role('platform', oid,
		case when current_setting('server_version_num')::int < 160000 then 'member' else 'set' end))`)
}

// TestRemoveWithoutSuperuser: the login acts as ward's roles for as long as the removal takes, whether it ends well or
// not; a membership that it had before it keeps.
func TestRemoveWithoutSuperuser(t *testing.T) {
	s := newPlatform(t)
	_, err := worker.Migrate(t.Context(), s.remover, migrate.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.initialised()
	exec1(t, s.super, "grant ward_reviewer to platform")
	before := s.acts()
	no := func(context.Context, string, []migrate.Head) error { return errors.New("2 rows are not shipped") }
	s.refused(migrate.Removal{Shipped: no}, "2 rows are not shipped")
	s.refused(migrate.Removal{Recorded: func(context.Context) error {
		if is := s.acts(); is != before {
			t.Errorf("once the removal is recorded, the login acts as %s", is)
		}
		return errors.New("the signing key is not at hand")
	}}, "the signing key is not at hand")

	second := s.cluster.DSN(postgres.SuperuserRole, "second")
	exec1(t, s.super, "create database second")
	s.install(second)
	exec1(t, s.super, "revoke connect on database second from public",
		"grant set on parameter work_mem to ward_worker")
	for _, o := range []migrate.Removal{{}, {DropHistory: true}} {
		done, err := s.remove(o)
		if err != nil {
			t.Fatal(err)
		}
		if is := s.acts(); is != before || len(done.RolesKept) != 9 {
			t.Errorf("after %+v, the login acts as %q, before as %q", o, is, before)
		}
		if _, err := pgx.Connect(t.Context(), s.cluster.DSN("ward_app", "second")); err != nil {
			t.Error(err)
		}
		if !one[bool](t, s.super, "select has_parameter_privilege('ward_worker', 'work_mem', 'set')") {
			t.Error("a right in the cluster is lost")
		}
		exec1(t, s.super, "drop schema if exists audit cascade")
		s.install(s.url)
		exec1(t, s.super, "alter database clinic owner to platform")
	}
}

// TestRemoveByAnotherLogin: a login that lacks something is told all of it before it is refused a look.
func TestRemoveByAnotherLogin(t *testing.T) {
	s := newPlatform(t)
	s.initialised()
	exec1(t, s.super, "create role other login createrole")
	s.remover = s.cluster.DSN("other", "clinic")
	s.refused(migrate.Removal{}, "other does not own the database clinic", "alter database clinic owner to other")
	s.remover = s.cluster.DSN("clinic_app", "clinic")
	s.refused(migrate.Removal{}, "clinic_app may not drop roles", "clinic_app does not own the database clinic")

	s.remover = s.cluster.DSN("platform", "clinic")
	exec1(t, s.super, "alter role platform noinherit")
	_, err := s.remove(migrate.Removal{DropHistory: true})
	for range 2 { // one round for each thing that it lacks on some version
		stands := (*migrate.ObstaclesError)(nil)
		if errors.As(err, &stands) {
			for _, o := range stands.Obstacles {
				exec1(t, s.super, o.Mend...)
			}
			_, err = s.remove(migrate.Removal{DropHistory: true})
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestNotGivenBack: what the login may not give back to PUBLIC is not said to be given back; the statements that are
// printed do it.
func TestNotGivenBack(t *testing.T) {
	s := newPlatform(t)
	before := s.snapshot()
	s.install(s.url)
	if s.version() >= 16 {
		for _, role := range []string{"ward_owner", "ward_keys", "ward_reader", "ward_rule", "ward_app", "ward_worker",
			"ward_reviewer", "ward_identity", "ward_migrate"} {
			exec1(t, s.super, "grant "+role+" to platform with admin option")
		}
	}
	done, err := s.remove(migrate.Removal{DropHistory: true})
	if err != nil {
		t.Fatal(err)
	}
	if said := strings.Join(done.GivenBack, "\n"); strings.Contains(said, "EXECUTE") ||
		!strings.Contains(said, "TEMPORARY on the database") {
		t.Errorf("given back: %s", said)
	}
	locks := 0
	for _, k := range done.Kept {
		if strings.Contains(k, "pg_advisory_lock(") {
			locks++
		}
		exec1(t, s.super, k[strings.LastIndex(k, ": ")+2:])
	}
	if locks != 2 {
		t.Errorf("kept: %q", done.Kept)
	}
	for _, k := range done.RolesKept { // the locks were granted to them, and only a superuser takes that back
		role, why, _ := strings.Cut(k, ": ")
		if !strings.Contains(why, "privileges for function pg_advisory_lock") {
			t.Errorf("kept: role %s", k)
		}
		exec1(t, s.super, "drop owned by "+role, "drop role "+role)
	}
	s.same(before, s.snapshot(), "after the removal, and the statements that it printed")
}

func (s *site) version() int {
	return one[int](s.t, s.super, "select current_setting('server_version_num')::int / 10000")
}
