package migrate

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// isInstalled says whether core.release is there, and ward's: an application may have a table of the same name.
func isInstalled(ctx context.Context, db querier) (there bool, err error) {
	err = db.QueryRow(ctx, `select exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
		join pg_roles o on o.oid = c.relowner where n.nspname = 'core' and c.relname = 'release'
		  and o.rolname = 'ward_owner')`).Scan(&there)
	if err != nil {
		return false, fmt.Errorf("look for ward's schema: %w", err)
	}
	return there, nil
}

// withoutAuth leaves the objects of schema auth out of a release where that schema is somebody's: Supabase has
// auth.jwt() and auth.uid() of its own there, on which the policies of its users rest. ward itself calls
// tenancy.claims() alone.
func (r *release) withoutAuth(ctx context.Context, db querier) (*release, error) {
	var theirs bool
	err := db.QueryRow(ctx, `select exists (select from pg_namespace n join pg_roles o on o.oid = n.nspowner
		where n.nspname = 'auth' and o.rolname <> 'ward_owner')`).Scan(&theirs)
	if err != nil {
		return nil, fmt.Errorf("look for schema auth: %w", err)
	}
	if !theirs {
		return r, nil
	}
	less := *r
	less.Objects = slices.DeleteFunc(slices.Clone(r.Objects), func(o Object) bool {
		return strings.HasPrefix(o.Name, "auth.")
	})
	return &less, nil
}

// mayMigrate refuses a login that could not bring an installed schema further.
func mayMigrate(ctx context.Context, db querier) error {
	var login string
	var may bool
	err := db.QueryRow(ctx, `select current_user, coalesce(
		(select pg_has_role(oid, 'member') from pg_roles where rolname = 'ward_owner'), true)`).Scan(&login, &may)
	if err != nil {
		return fmt.Errorf("look at the login: %w", err)
	}
	there, err := isInstalled(ctx, db)
	if err == nil && there && !may {
		return fmt.Errorf("%s may not act as ward_owner: migrate as ward_migrate", login)
	}
	return err
}
