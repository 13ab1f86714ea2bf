package migrate

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
)

// rolesOfVersion16 is the first major version in which a membership has options and one grantor beside another, and in
// which CREATEROLE alone grants no role.
const rolesOfVersion16 = 16

// A joined role is one that the login was made a member of, with the statements that undo it.
type joined struct {
	role string
	undo []string
}

// A standing is how the login stands to a role of ward's.
type standing struct {
	Role      string
	Acts      bool // it has the role's rights and may act as it
	Grants    bool // it may make itself a member
	Inherited bool // it would have the role's rights as a member
}

// join makes a login that is no superuser a member of all of ward's roles: what they own and may is theirs to drop. It
// returns what keeps the login from that, and then changes nothing. Where do is false it only looks.
func (r *remover) join(ctx context.Context, tx pgx.Tx, s *server, do bool) ([]Obstacle, error) {
	rows, err := tx.Query(ctx, `
		select r.rolname::text,
		  pg_has_role(r.oid, 'usage')
		    and (v.major < $2 or pg_has_role(r.oid, case when v.major < $2 then 'member' else 'set' end)),
		  v.major < $2 or pg_has_role(r.oid, 'member with admin option'), v.major >= $2 or me.rolinherit
		from pg_roles r cross join pg_roles me
		cross join (select current_setting('server_version_num')::int / 10000 as major) v
		where r.rolname = any ($1) and me.rolname = current_user order by array_position($1, r.rolname::text)`,
		roleNames(), rolesOfVersion16)
	if err != nil {
		return nil, fmt.Errorf("look at the login's roles: %w", err)
	}
	roles, err := pgx.CollectRows(rows, pgx.RowToStructByPos[standing])
	if err != nil {
		return nil, fmt.Errorf("look at the login's roles: %w", err)
	}
	roles = slices.DeleteFunc(roles, func(x standing) bool { return x.Acts })
	var lacks []Obstacle
	for _, x := range roles {
		switch {
		case !x.Inherited:
			return []Obstacle{{s.login + " does not have the rights of the roles that it is a member of",
				[]string{"alter role " + s.login + " inherit"}}}, nil
		case !x.Grants:
			lacks = append(lacks, Obstacle{
				fmt.Sprintf("%s may not act as role %s, which another login has made", s.login, x.Role),
				[]string{fmt.Sprintf("grant %s to %s with admin option", x.Role, s.login)},
			})
		}
	}
	if len(lacks) > 0 || !do {
		return lacks, nil
	}
	for _, x := range roles {
		if err := r.joinOne(ctx, tx, s, x.Role); err != nil {
			return nil, fmt.Errorf("act as %s: %w", x.Role, err)
		}
	}
	return nil, nil
}

// joinOne grants a role to the login, and notes how the memberships were before.
func (r *remover) joinOne(ctx context.Context, tx pgx.Tx, s *server, role string) error {
	before, err := memberships(ctx, tx, role)
	if err != nil {
		return err
	}
	with, by := "", func(string) string { return "" }
	if s.version >= rolesOfVersion16 {
		with = " with inherit true, set true"
		by = func(grantor string) string { return " granted by " + grantor }
	}
	if _, err := tx.Exec(ctx, fmt.Sprintf("grant %s to %s%s", role, s.login, with)); err != nil {
		return err
	}
	after, err := memberships(ctx, tx, role)
	if err != nil {
		return err
	}
	j := joined{role: role}
	for _, grantor := range slices.Sorted(maps.Keys(after)) {
		switch was, there := before[grantor]; {
		case !there:
			j.undo = append(j.undo, fmt.Sprintf("revoke %s from %s%s", role, s.login, by(grantor)))
		case was != after[grantor]:
			j.undo = append(j.undo, fmt.Sprintf("grant %s to %s with %s%s", role, s.login, was, by(grantor)))
		}
	}
	r.joined = append(r.joined, j)
	return nil
}

// memberships are the login's own in a role: the options of each, by its grantor.
func memberships(ctx context.Context, tx pgx.Tx, role string) (map[string]string, error) {
	rows, err := tx.Query(ctx, `
		select m.grantor::regrole::text, coalesce(format('inherit %s, set %s', to_jsonb(m) ->> 'inherit_option',
		  to_jsonb(m) ->> 'set_option'), '')
		from pg_auth_members m where m.roleid = $1::regrole and m.member = current_user::regrole`, role)
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	var grantor, options string
	_, err = pgx.ForEachRow(rows, []any{&grantor, &options}, func() error {
		found[grantor] = options
		return nil
	})
	return found, err
}

// leave ends the memberships that examine made, of the roles that are still there: nobody is to be able to act as an
// owner of ward's longer than a removal takes.
func (r *remover) leave(ctx context.Context, tx pgx.Tx) error {
	for _, j := range slices.Backward(r.joined) {
		if slices.Contains(r.done.RolesDropped, j.role) {
			continue
		}
		for _, undo := range j.undo {
			if _, err := tx.Exec(ctx, undo); err != nil {
				return fmt.Errorf("stop acting as %s: %w", j.role, err)
			}
		}
	}
	r.joined = nil
	return nil
}
