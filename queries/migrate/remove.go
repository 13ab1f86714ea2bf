package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ErrNotInstalled is a database that has no schema of ward's.
var ErrNotInstalled = errors.New("this database has no ward: there is nothing to remove")

// Removal is how Remove goes about it.
type Removal struct {
	Reason string // recorded
	// DropHistory drops schema audit too, the only copy of what no archive holds.
	DropHistory bool
	// Recorded is called when the removal is an event and nothing has been removed yet; an error ends it there. Or nil.
	Recorded func(ctx context.Context) error
	// Shipped is asked whether the archive holds every sealed row, while none can be sealed: heads are the last of each
	// clinic. An error ends the removal. Nil: nobody is asked.
	Shipped func(ctx context.Context, region string, heads []Head) error
	Wait    time.Duration // as in Options
	Said    func(string)
}

// A Head is the last sealed row of a clinic.
type Head struct {
	Tenant string
	Seq    int64
	Hash   []byte
}

// Removed is what Remove did.
type Removed struct {
	Event        *int64 // null: ward was never initialised here
	GivenBack    []string
	HistoryKept  bool // schema audit, which ward_owner owns
	RolesDropped []string
	RolesKept    []string // each with the reason
	Kept         []string // what else stays, each with the reason
}

// Remove takes ward out of the database at url. The login is one that could install it. It refuses with an
// *ObstaclesError, and changes nothing, while a table is protected, a login of ward's is connected, or anything that is
// not ward's needs something of ward's: nothing of that is ever dropped. Everything happens in one transaction, except
// that the event which records the removal is committed first.
func Remove(ctx context.Context, url string, o Removal) (*Removed, error) {
	files, err := Options{}.release()
	if err != nil {
		return nil, err
	}
	conn, err := connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer hangUp(ctx, conn)
	r := remover{release: files, Removal: o}
	inTx := func(step func(context.Context, pgx.Tx) error) error {
		return Options{Wait: o.Wait, Said: o.Said}.inTx(ctx, conn, func(tx pgx.Tx) error { return step(ctx, tx) })
	}
	if err := inTx(r.record); err != nil {
		return nil, err
	}
	if o.Recorded != nil {
		if err := o.Recorded(ctx); err != nil {
			return nil, err
		}
	}
	if err := inTx(r.remove); err != nil {
		return nil, err
	}
	return &r.done, nil
}

type remover struct {
	Removal
	release *release // the names of what is ward's are this program's
	joined  []joined // what the login is a member of until the transaction ends
	event   *int64
	done    Removed
}

// record writes the removal's event, once nothing stands in the way.
func (r *remover) record(ctx context.Context, tx pgx.Tx) error {
	if err := r.examine(ctx, tx); err != nil {
		return err
	}
	err := tx.QueryRow(ctx, "select tenancy.record_removal($1, $2)", r.Reason, r.DropHistory).Scan(&r.event)
	if err != nil {
		return fmt.Errorf("record the removal: %w", err)
	}
	return r.leave(ctx, tx)
}

func (r *remover) remove(ctx context.Context, tx pgx.Tx) error {
	r.done = Removed{Event: r.event, HistoryKept: !r.DropHistory, GivenBack: []string{}, RolesDropped: []string{},
		RolesKept: []string{}, Kept: []string{}}
	if err := r.examine(ctx, tx); err != nil {
		return err
	}
	if err := r.shipped(ctx, tx); err != nil {
		return err
	}
	madeExtension, err := r.giveBack(ctx, tx)
	if err != nil {
		return err
	}
	var h *history
	if r.DropHistory {
		h = &history{}
	} else if h, err = handOver(ctx, tx); err != nil {
		return err
	}
	if err := dropOwned(ctx, tx); err != nil {
		return err
	}
	if err := h.putBack(ctx, tx); err != nil {
		return err
	}
	if madeExtension {
		if err := r.dropPgcrypto(ctx, tx); err != nil {
			return err
		}
	}
	if err := r.dropRoles(ctx, tx); err != nil {
		return err
	}
	return r.leave(ctx, tx)
}

// shipped stops the sealer, and asks whether the archive has what was sealed.
func (r *remover) shipped(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, "lock table audit.chain, audit.event in share row exclusive mode"); err != nil {
		return fmt.Errorf("stop sealing: %w", err)
	}
	if r.Shipped == nil || r.event == nil {
		return nil
	}
	var region string
	if err := tx.QueryRow(ctx, "select region from tenancy.instance").Scan(&region); err != nil {
		return fmt.Errorf("read the region: %w", err)
	}
	rows, err := tx.Query(ctx, `select distinct on (tenant_id) tenant_id::text, seq, hash from audit.chain
		order by tenant_id, seq desc`)
	if err != nil {
		return fmt.Errorf("read what was sealed: %w", err)
	}
	heads, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Head])
	if err != nil {
		return fmt.Errorf("read what was sealed: %w", err)
	}
	if r.DropHistory {
		var unsealed int64
		err := tx.QueryRow(ctx, `select count(*) from audit.event e where e.event_id < $1
			and not exists (select from audit.chain c where c.event_id = e.event_id)`, r.event).Scan(&unsealed)
		if err != nil {
			return fmt.Errorf("count what is not sealed: %w", err)
		}
		if unsealed > 0 {
			return fmt.Errorf("%d events are not sealed yet, and so not in the archive: run a worker until they are",
				unsealed)
		}
	}
	return r.Shipped(ctx, region, heads)
}

// giveBack gives PUBLIC what was taken from it, and says whether ward had made extension pgcrypto. A right that PUBLIC
// does not have afterwards was not given back, whatever PostgreSQL said: it refuses with a warning alone.
func (r *remover) giveBack(ctx context.Context, tx pgx.Tx) (madeExtension bool, err error) {
	var database string
	if err := tx.QueryRow(ctx, "select quote_ident(current_database())").Scan(&database); err != nil {
		return false, fmt.Errorf("ask for the database's name: %w", err)
	}
	rows, err := tx.Query(ctx, "select what, give_back from core.taken order by what")
	if err != nil {
		return false, fmt.Errorf("read what was taken: %w", err)
	}
	taken, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ What, GiveBack string }])
	if err != nil {
		return false, fmt.Errorf("read what was taken: %w", err)
	}
	for _, t := range taken {
		if t.What == madePgcrypto {
			madeExtension = true
			continue
		}
		if err := execHere(ctx, tx, t.GiveBack); err != nil {
			return false, fmt.Errorf("give back %s: %w", t.What, err)
		}
	}
	has, err := readTakes(ctx, tx)
	if err != nil {
		return false, err
	}
	for _, t := range taken {
		switch {
		case t.What == madePgcrypto:
		case slices.ContainsFunc(has, func(x Take) bool { return x.GiveBack == t.GiveBack }):
			r.done.GivenBack = append(r.done.GivenBack, t.What)
		default:
			r.done.Kept = append(r.done.Kept, fmt.Sprintf("taken from PUBLIC: %s: this login may not give it back; "+
				"a superuser does: %s", t.What, strings.ReplaceAll(t.GiveBack, databaseName, database)))
		}
	}
	return madeExtension, nil
}

// dropOwned drops everything that ward's roles own here and takes their rights away. RESTRICT is PostgreSQL's own proof
// that nothing else goes with it. The command also takes away rights on what the whole cluster shares, and what others
// were granted by the same roles there; all of those are restored.
func dropOwned(ctx context.Context, tx pgx.Tx) error {
	shared, err := texts(ctx, tx, sharedRights)
	if err != nil {
		return fmt.Errorf("read rights in the cluster: %w", err)
	}
	defaults, err := texts(ctx, tx, defaultPrivileges, roleNames())
	if err != nil {
		return fmt.Errorf("read default privileges: %w", err)
	}
	for _, reset := range defaults {
		if _, err := tx.Exec(ctx, reset); err != nil {
			return fmt.Errorf("reset default privileges: %w", err)
		}
	}
	_, err = tx.Exec(ctx, "drop owned by "+strings.Join(roleNames(), ", ")+" restrict")
	var e *pgconn.PgError
	if errors.As(err, &e) && e.Code == "2BP01" {
		var found []Obstacle
		for line := range strings.Lines(e.Detail) {
			found = append(found, Obstacle{What: strings.TrimSpace(line)})
		}
		return &ObstaclesError{found}
	}
	if err != nil {
		return fmt.Errorf("drop what is ward's: %w", err)
	}
	return restore(ctx, tx, shared)
}

// restore grants what is not there any more of the rights in the cluster, and makes sure that it is there.
func restore(ctx context.Context, tx pgx.Tx, shared []string) error {
	for try := range 2 {
		left, err := texts(ctx, tx, sharedRights)
		if err != nil {
			return fmt.Errorf("read rights in the cluster: %w", err)
		}
		for _, grant := range shared {
			if slices.Contains(left, grant) {
				continue
			}
			if try > 0 {
				return fmt.Errorf("a right in another part of the cluster would be lost, and this login may not "+
					"restore it (%s): remove ward as a superuser", grant)
			}
			if _, err := tx.Exec(ctx, grant); err != nil {
				return fmt.Errorf("restore a right in another part of the cluster: %w", err)
			}
		}
	}
	return nil
}

// sharedRights are the rights on what all databases of the cluster share, as statements that grant them. Those with a
// grant option come first: others may rest on them.
const sharedRights = `
with shared as (
  select 'database ' || quote_ident(datname) as object, datdba as owner, datacl as acl from pg_database
  where datname <> current_database()
  union all
  select 'tablespace ' || quote_ident(spcname), spcowner, spcacl from pg_tablespace
  union all
  select 'parameter ' || parname, 10, paracl from pg_parameter_acl -- of the superuser
)
select distinct on (a.is_grantable, 1) format('grant %s on %s to %s%s', lower(a.privilege_type), s.object,
    case when a.grantee = 0 then 'public' else quote_ident(a.grantee::regrole::text) end,
    case when a.is_grantable then ' with grant option' else '' end)
from shared s cross join aclexplode(s.acl) a where a.grantee <> s.owner
order by a.is_grantable desc, 1`

// defaultPrivileges are the statements that reset the default privileges of ward's roles: DROP OWNED BY trips over an
// entry of one role that names another one.
const defaultPrivileges = `
with entry as (
  select x.*, case x.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions'
      when 'T' then 'types' else 'schemas' end as objects,
    format('alter default privileges for role %I', r.rolname)
      || coalesce(' in schema ' || quote_ident(n.nspname), '') as alter
  from pg_default_acl x join pg_roles r on r.oid = x.defaclrole left join pg_namespace n on n.oid = x.defaclnamespace
  where r.rolname = any ($1)
)
select distinct alter || ' revoke all on ' || objects || ' from '
  || case when a.grantee = 0 then 'public' else quote_ident(a.grantee::regrole::text) end
from entry e cross join aclexplode(e.defaclacl) a where a.grantee <> e.defaclrole
union all
select alter || ' grant ' || case objects when 'functions' then 'execute' else 'usage' end || ' on ' || objects
  || ' to public'
from entry where defaclnamespace = 0 and objects in ('functions', 'types')
order by 1 desc`

// dropPgcrypto drops the extension that ward had made, unless somebody uses it by now.
func (r *remover) dropPgcrypto(ctx context.Context, tx pgx.Tx) error {
	var user string
	// what a body calls is in no catalog, only in its text
	err := tx.QueryRow(ctx, `select coalesce(min(p.oid::regprocedure::text), '') from pg_proc p
		join pg_namespace n on n.oid = p.pronamespace
		where n.nspname not in ('pg_catalog', 'information_schema') and p.proname <> 'append_only'
		  and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
		  and p.prosrc ~* ('\m(' || $1 || ')\s*\(')`, strings.Join(pgcryptoNames(), "|")).Scan(&user)
	if err != nil {
		return fmt.Errorf("look who uses pgcrypto: %w", err)
	}
	if user == "" {
		err := pgx.BeginFunc(ctx, tx, func(sub pgx.Tx) error {
			_, err := sub.Exec(ctx, "drop extension pgcrypto")
			return err
		})
		var e *pgconn.PgError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &e) && e.Code == "42501":
			r.done.Kept = append(r.done.Kept, "extension pgcrypto, which ward had made: this login does not own it; "+
				"its owner drops it: drop extension pgcrypto")
			return nil
		case !errors.As(err, &e) || e.Code != "2BP01":
			return fmt.Errorf("drop extension pgcrypto: %w", err)
		}
		user, _, _ = strings.Cut(e.Detail, "\n")
	}
	r.done.Kept = append(r.done.Kept, "extension pgcrypto, which ward had made: it is used ("+user+")")
	return nil
}

func pgcryptoNames() []string {
	var names []string
	for _, f := range pgcryptoFunctions {
		name, _, _ := strings.Cut(f, "(")
		if name != "gen_random_uuid" { // PostgreSQL has its own
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// dropRoles drops the roles that nothing in the cluster needs.
func (r *remover) dropRoles(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, `
		select r.rolname::text, coalesce((select string_agg(distinct d.datname, ', ') from pg_shdepend s
		  join pg_database d on d.oid = coalesce(nullif(s.dbid, 0),
		    case when s.classid = 'pg_database'::regclass then s.objid end)
		  where s.refclassid = 'pg_authid'::regclass and s.refobjid = r.oid and d.datname <> current_database()), '')
		from pg_roles r where r.rolname = any ($1) order by array_position($1, r.rolname::text)`, roleNames())
	if err != nil {
		return fmt.Errorf("look who needs the roles: %w", err)
	}
	roles, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ Name, Databases string }])
	if err != nil {
		return fmt.Errorf("look who needs the roles: %w", err)
	}
	shared := slices.ContainsFunc(roles, func(x struct{ Name, Databases string }) bool { return x.Databases != "" })
	for _, x := range roles {
		switch {
		case x.Databases != "":
			r.done.RolesKept = append(r.done.RolesKept,
				fmt.Sprintf("%s: the database %s needs it", x.Name, x.Databases))
			continue
		case shared: // ward is there too, and needs all of its roles
			r.done.RolesKept = append(r.done.RolesKept, x.Name+": another database of this cluster has ward")
			continue
		case x.Name == "ward_owner" && !r.DropHistory:
			r.done.RolesKept = append(r.done.RolesKept, x.Name+": it owns the history")
			continue
		}
		err := pgx.BeginFunc(ctx, tx, func(sub pgx.Tx) error {
			_, err := sub.Exec(ctx, "drop role "+x.Name)
			return err
		})
		var e *pgconn.PgError
		switch {
		case err == nil:
			r.done.RolesDropped = append(r.done.RolesDropped, x.Name)
		case errors.As(err, &e) && e.Code == "2BP01":
			r.done.RolesKept = append(r.done.RolesKept, x.Name+": "+strings.ReplaceAll(e.Detail, "\n", "; "))
		default:
			return fmt.Errorf("drop role %s: %w", x.Name, err)
		}
	}
	return nil
}
