package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A Take is a right that ward takes from PUBLIC, since any login could use it to get around what ward promises.
type Take struct {
	Kind   string   `json:"kind"`   // what it is for, as a person says it
	What   string   `json:"what"`   // the privilege and its object
	Losers []string `json:"losers"` // other logins that have it through PUBLIC alone
	// Refused says that this login may not take it away: a managed platform keeps that to itself.
	Refused  bool   `json:"refused"`
	GiveBack string `json:"give_back"` // the statement; :database stands for the database's name
	take     string
}

// databaseName stands for the database's name in a statement that is kept: a database can be renamed.
const databaseName = ":database"

// publicRights are the rights in question that PUBLIC has here, with those who lose them. Advisory locks carry no
// privileges of their own: any login could hold the sealer's, and nothing would be sealed. Through the other functions
// one session could look at another's statements, at rows by their physical place, or at objects outside row security.
// ward's own roles need advisory locks. The login that installed may not have been one that could grant them.
const publicRights = `
with wanted as (
  select 1 as n, 'temporary tables' as kind, 'TEMPORARY' as privilege, 'database :database' as object,
    d.datdba as owner,
    coalesce(d.datacl, acldefault('d', d.datdba)) as acl
  from pg_database d where d.datname = current_database()
  union all
  select 2, 'new schemas', 'CREATE', 'database :database', d.datdba, coalesce(d.datacl, acldefault('d', d.datdba))
  from pg_database d where d.datname = current_database()
  union all
  select 3, 'objects in schema public', 'CREATE', 'schema public', n.nspowner,
    coalesce(n.nspacl, acldefault('n', n.nspowner))
  from pg_namespace n where n.nspname = 'public'
  union all
  select f.n, f.kind, 'EXECUTE', 'function ' || p.oid::regprocedure, p.proowner,
    coalesce(p.proacl, acldefault('f', p.proowner))
  from (
    select 4, 'statements of other sessions', to_regprocedure(s)
    from unnest(array['pg_stat_get_activity(integer)', 'pg_stat_get_backend_activity(integer)']) s
    union all
    select 5, 'rows by their physical place', to_regprocedure('currtid2(text, tid)')
    union all
    select 6, 'large objects', to_regprocedure(s)
    from unnest(array['lo_create(oid)', 'lo_creat(integer)', 'lo_from_bytea(oid, bytea)', 'lo_get(oid)',
      'lo_get(oid, bigint, integer)', 'lo_open(oid, integer)']) s
    union all
    select 7, 'advisory locks', p.oid from pg_proc p
    where p.pronamespace = 'pg_catalog'::regnamespace and p.proname ~ '^pg_(try_)?advisory_(xact_)?lock'
  ) f(n, kind, oid) join pg_proc p on p.oid = f.oid
)
select w.kind, w.privilege || ' on ' || w.object,
  array(
    select r.rolname::text from pg_roles r
    where r.rolcanlogin and not r.rolsuper and r.rolname <> all ($1) and not pg_has_role(r.oid, w.owner, 'usage')
      and not exists (select from aclexplode(w.acl) a
        where a.grantee <> 0 and a.privilege_type = w.privilege and pg_has_role(r.oid, a.grantee, 'usage'))
    order by 1),
  not (select rolsuper from pg_roles where rolname = current_user) and not pg_has_role(w.owner, 'usage'),
  'grant ' || lower(w.privilege) || ' on ' || w.object || ' to public',
  case w.n when 7 then 'grant execute on ' || w.object || ' to ward_owner, ward_keys, ward_worker, ward_migrate; '
    else '' end || 'revoke ' || lower(w.privilege) || ' on ' || w.object || ' from public'
from wanted w
where exists (select from aclexplode(w.acl) a where a.grantee = 0 and a.privilege_type = w.privilege)
order by w.n, w.object`

// readTakes lists what PUBLIC has here and must not have.
func readTakes(ctx context.Context, db querier) ([]Take, error) {
	rows, err := db.Query(ctx, publicRights, roleNames())
	if err != nil {
		return nil, fmt.Errorf("list the rights of PUBLIC: %w", err)
	}
	takes, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t Take, err error) {
		err = row.Scan(&t.Kind, &t.What, &t.Losers, &t.Refused, &t.GiveBack, &t.take)
		t.What = strings.ReplaceAll(t.What, "database "+databaseName, "the database")
		return t, err
	})
	if err != nil {
		return nil, fmt.Errorf("list the rights of PUBLIC: %w", err)
	}
	return takes, nil
}

// takeAll takes away what it can and remembers it in core.taken, so that an uninstallation gives back that and no more.
// It returns what it took. said is told what a platform refuses.
func takeAll(ctx context.Context, tx pgx.Tx, takes []Take, said func(string)) ([]Take, error) {
	for _, t := range takes {
		if err := execHere(ctx, tx, t.take); err != nil {
			return nil, fmt.Errorf("take %s from PUBLIC: %w", t.What, err)
		}
	}
	left, err := readTakes(ctx, tx)
	if err != nil {
		return nil, err
	}
	var taken, refused []Take
	for _, t := range takes {
		if slices.ContainsFunc(left, func(l Take) bool { return l.What == t.What }) {
			refused = append(refused, t)
			continue
		}
		taken = append(taken, t)
		if err := rememberTaken(ctx, tx, t.What, t.GiveBack); err != nil {
			return nil, err
		}
	}
	for _, same := range alike(refused) {
		said(fmt.Sprintf("this platform does not let these be taken from PUBLIC: %s: see docs/SECURITY.md",
			brief(same)))
	}
	return taken, nil
}

func rememberTaken(ctx context.Context, db querier, what, giveBack string) error {
	_, err := db.Exec(ctx, `insert into core.taken (what, give_back) values ($1, $2)
		on conflict do nothing`, what, giveBack)
	if err != nil {
		return fmt.Errorf("remember that %s was taken: %w", what, err)
	}
	return nil
}

// execHere runs a statement in which :database stands for the database's name. A statement that a platform refuses is
// no error: PostgreSQL refuses it with a warning or, to a login without any right there, with an error.
func execHere(ctx context.Context, tx pgx.Tx, statement string) error {
	var name string
	if err := tx.QueryRow(ctx, "select quote_ident(current_database())").Scan(&name); err != nil {
		return fmt.Errorf("ask for the database's name: %w", err)
	}
	err := pgx.BeginFunc(ctx, tx, func(sub pgx.Tx) error {
		_, err := sub.Exec(ctx, strings.ReplaceAll(statement, databaseName, name))
		return err
	})
	var e *pgconn.PgError
	if errors.As(err, &e) && e.Code == "42501" {
		return nil
	}
	return err
}

// alike groups takes that follow one another and are of one kind, and refused or not.
func alike(takes []Take) [][]Take {
	var groups [][]Take
	for i, t := range takes {
		if i > 0 && t.Kind == takes[i-1].Kind && t.Refused == takes[i-1].Refused {
			last := len(groups) - 1
			groups[last] = append(groups[last], t)
			continue
		}
		groups = append(groups, []Take{t})
	}
	return groups
}

// brief says takes of one kind in a few words.
func brief(same []Take) string {
	text := same[0].Kind + ": " + same[0].What
	if len(same) > 1 {
		text += fmt.Sprintf(" and %d more", len(same)-1)
	}
	return text
}

// TakeLines says takes as a person reads them, a line for each kind.
func TakeLines(takes []Take) []string {
	var lines []string
	for _, same := range alike(takes) {
		line := brief(same)
		switch t := same[0]; {
		case t.Refused:
			line += " (this login may not take it away: it stays)"
		case len(t.Losers) == 0:
			line += " (no other login has it)"
		default:
			line += " (lost by " + strings.Join(t.Losers, ", ") + ")"
		}
		lines = append(lines, line)
	}
	return lines
}

// take takes away what the examination found, and returns what was taken. That ward made the extension is remembered
// too.
func (x examination) take(ctx context.Context, tx pgx.Tx, first bool, said func(string)) ([]Take, error) {
	if said == nil {
		said = func(string) {}
	}
	if first && x.server.pgcrypto == "" {
		if err := rememberTaken(ctx, tx, madePgcrypto, "drop extension pgcrypto"); err != nil {
			return nil, err
		}
	}
	return takeAll(ctx, tx, x.takes, said)
}

// madePgcrypto is the row of core.taken that says that the extension was not there before ward.
const madePgcrypto = "extension pgcrypto was made"

func takenLines(takes []Take) []string {
	lines := TakeLines(takes)
	for i := range lines {
		lines[i] = "taken from PUBLIC: " + lines[i]
	}
	return lines
}
