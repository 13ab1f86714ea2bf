package migrate

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// history is what a removal keeps: the tables of schema audit with what they need to stay append-only.
type history struct {
	restore []string // the statements that give it back to ward_owner
}

// handOver frees the history of what will be dropped, and hands it to the login until that is done.
func handOver(ctx context.Context, tx pgx.Tx) (*history, error) {
	for _, sql := range []string{historyForeignKeys, historyDefaults, historyTriggers, historyMoves} {
		statements, err := texts(ctx, tx, sql)
		if err != nil {
			return nil, fmt.Errorf("look at the history: %w", err)
		}
		if err := execAll(ctx, tx, statements); err != nil {
			return nil, err
		}
	}
	objects, err := texts(ctx, tx, historyObjects)
	if err != nil {
		return nil, fmt.Errorf("look at the history: %w", err)
	}
	h := &history{}
	for _, o := range objects {
		if err := execAll(ctx, tx, []string{"alter " + o + " owner to current_user"}); err != nil {
			return nil, err
		}
		h.restore = append(h.restore, "alter "+o+" owner to ward_owner")
	}
	// A month is reached through the table alone, and row security is forced there: who owns it reads by this policy.
	h.restore = append(h.restore, "grant usage on schema audit to ward_owner",
		"create policy kept on audit.event for select to ward_owner using (true)")
	return h, nil
}

// putBack gives the history back to ward_owner, as which nobody can log in.
func (h *history) putBack(ctx context.Context, tx pgx.Tx) error {
	if len(h.restore) == 0 {
		return nil
	}
	return execAll(ctx, tx, h.restore)
}

func execAll(ctx context.Context, tx pgx.Tx, statements []string) error {
	for _, s := range statements {
		if _, err := tx.Exec(ctx, s); err != nil {
			return fmt.Errorf("keep the history (%s): %w", s, err)
		}
	}
	return nil
}

// kept are the tables: audit's own, but for the unlogged ones, which hold no history.
const kept = `
with kept as (
  select c.oid from pg_class c
  where c.relnamespace = 'audit'::regnamespace and c.relkind in ('r', 'p') and c.relpersistence = 'p'
    and c.relowner = 'ward_owner'::regrole
)`

const historyForeignKeys = kept + `
select format('alter table %s drop constraint %I', k.conrelid::regclass, k.conname) from pg_constraint k
where k.contype = 'f' and k.conparentid = 0 and k.conrelid in (select oid from kept)
  and k.confrelid not in (select oid from kept)`

// Nothing is added to the history any more, so that a default which calls a function of ward's can go.
const historyDefaults = kept + `
select format('alter table %s alter %I drop default', f.adrelid::regclass, a.attname)
from pg_attrdef f join pg_attribute a on a.attrelid = f.adrelid and a.attnum = f.adnum
where f.adrelid in (select oid from kept) and exists (
  select from pg_depend d join pg_proc p on d.refclassid = 'pg_proc'::regclass and p.oid = d.refobjid
  where d.classid = 'pg_attrdef'::regclass and d.objid = f.oid and p.pronamespace <> 'pg_catalog'::regnamespace)`

const historyTriggers = kept + `
select format('drop trigger %I on %s', g.tgname, g.tgrelid::regclass)
from pg_trigger g join pg_proc p on p.oid = g.tgfoid
where g.tgrelid in (select oid from kept) and not g.tgisinternal and g.tgparentid = 0 and p.proname <> 'append_only'`

// What the history needs of another schema moves to its own.
const historyMoves = kept + `, needed as (
  select distinct 'domain ' || t.oid::regtype as object, t.typnamespace as schema
  from kept k join pg_attribute a on a.attrelid = k.oid and not a.attisdropped
  join pg_type t on t.oid = a.atttypid and t.typtype = 'd' and t.typowner = 'ward_owner'::regrole
  union
  select 'function ' || p.oid::regprocedure, p.pronamespace
  from kept k join pg_trigger g on g.tgrelid = k.oid and not g.tgisinternal join pg_proc p on p.oid = g.tgfoid
)
select format('alter %s set schema audit', object) from needed where schema <> 'audit'::regnamespace`

// The schema first: who owns it may own what is in it.
const historyObjects = kept + `
select 'schema audit' from pg_namespace n where n.nspname = 'audit' and n.nspowner = 'ward_owner'::regrole
union all
select 'table ' || oid::regclass from kept
union all
select distinct 'domain ' || t.oid::regtype from kept k join pg_attribute a on a.attrelid = k.oid and not a.attisdropped
join pg_type t on t.oid = a.atttypid and t.typtype = 'd' and t.typowner = 'ward_owner'::regrole
union all
select distinct 'function ' || g.tgfoid::regprocedure
from kept k join pg_trigger g on g.tgrelid = k.oid and not g.tgisinternal`
