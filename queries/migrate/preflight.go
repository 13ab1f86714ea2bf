package migrate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// oldestServer is the oldest major version of PostgreSQL that the schema runs on.
const oldestServer = 15

// An Obstacle is one thing that keeps ward from being installed or upgraded here.
type Obstacle struct {
	What string   `json:"what"`
	Mend []string `json:"mend"` // the statements that remove it; none: no statement can
}

// ObstaclesError says everything that stands in the way. Nothing was changed.
type ObstaclesError struct{ Obstacles []Obstacle }

func (e *ObstaclesError) Error() string {
	var b strings.Builder
	b.WriteString("nothing was changed, since this stands in the way:")
	for _, o := range e.Obstacles {
		b.WriteString("\n  " + o.What)
		for _, m := range o.Mend {
			b.WriteString("\n    " + m + ";")
		}
	}
	return b.String()
}

// A server is what ward rests on that no schema holds: the server, the login, and the database.
type server struct {
	version                            int // major
	login, database                    string
	superuser, createRole, ownsTheBase bool
	pgcrypto                           string
	pgcryptoAvailable                  bool
	pgcryptoClash                      []string // functions of others in the way of pgcrypto's
	public                             string   // who owns schema public; "": there is none
	encoding                           string
	standby                            bool
	ownsPublic                         bool
}

// pgcryptoFunctions are the functions of extension pgcrypto.
var pgcryptoFunctions = []string{
	"digest(text, text)", "digest(bytea, text)", "hmac(text, text, text)", "hmac(bytea, bytea, text)",
	"crypt(text, text)", "gen_salt(text)", "gen_salt(text, integer)", "encrypt(bytea, bytea, text)",
	"decrypt(bytea, bytea, text)", "encrypt_iv(bytea, bytea, bytea, text)", "decrypt_iv(bytea, bytea, bytea, text)",
	"gen_random_bytes(integer)", "gen_random_uuid()", "pgp_sym_encrypt(text, text)",
	"pgp_sym_encrypt(text, text, text)", "pgp_sym_encrypt_bytea(bytea, text)",
	"pgp_sym_encrypt_bytea(bytea, text, text)", "pgp_sym_decrypt(bytea, text)", "pgp_sym_decrypt(bytea, text, text)",
	"pgp_sym_decrypt_bytea(bytea, text)", "pgp_sym_decrypt_bytea(bytea, text, text)",
	"pgp_pub_encrypt(text, bytea)", "pgp_pub_encrypt(text, bytea, text)", "pgp_pub_encrypt_bytea(bytea, bytea)",
	"pgp_pub_encrypt_bytea(bytea, bytea, text)", "pgp_pub_decrypt(bytea, bytea)", "pgp_pub_decrypt(bytea, bytea, text)",
	"pgp_pub_decrypt(bytea, bytea, text, text)", "pgp_pub_decrypt_bytea(bytea, bytea)",
	"pgp_pub_decrypt_bytea(bytea, bytea, text)", "pgp_pub_decrypt_bytea(bytea, bytea, text, text)", "pgp_key_id(bytea)",
	"armor(bytea)", "armor(bytea, text[], text[])", "dearmor(text)", "pgp_armor_headers(text)",
}

func readServer(ctx context.Context, db querier) (*server, error) {
	s := &server{}
	err := db.QueryRow(ctx, `
		select current_setting('server_version_num')::int / 10000, quote_ident(r.rolname), quote_ident(d.datname),
		  r.rolsuper, r.rolcreaterole, pg_has_role(d.datdba, 'usage'),
		  coalesce((select n.nspname from pg_extension e join pg_namespace n on n.oid = e.extnamespace
		    where e.extname = 'pgcrypto'), ''),
		  exists (select from pg_available_extensions where name = 'pgcrypto'),
		  array(select f from unnest($1::text[]) f where to_regprocedure('public.' || f) is not null),
		  coalesce((select nspowner::regrole::text from pg_namespace where nspname = 'public'), ''),
		  coalesce((select pg_has_role(nspowner, 'usage') from pg_namespace where nspname = 'public'), false),
		  pg_encoding_to_char(d.encoding), pg_is_in_recovery()
		from pg_roles r cross join pg_database d where r.rolname = current_user and d.datname = current_database()`,
		pgcryptoFunctions).
		Scan(&s.version, &s.login, &s.database, &s.superuser, &s.createRole, &s.ownsTheBase, &s.pgcrypto,
			&s.pgcryptoAvailable, &s.pgcryptoClash, &s.public, &s.ownsPublic, &s.encoding, &s.standby)
	if err != nil {
		return nil, fmt.Errorf("look at the server, the login and the database: %w", err)
	}
	return s, nil
}

// An examination is what a plan meets here.
type examination struct {
	server    *server
	obstacles []Obstacle
	takes     []Take // what PUBLIC would lose
}

// examine finds everything that stands in the plan's way, and what the installation would take from others.
func (p *Plan) examine(ctx context.Context, db querier) (x examination, err error) {
	if x.server, err = readServer(ctx, db); err != nil {
		return x, err
	}
	if x.obstacles = x.server.unfit(); x.obstacles != nil {
		return x, nil // what follows would be wrong of such a server
	}
	roles, err := readRoles(ctx, db)
	if err != nil {
		return x, err
	}
	x.obstacles = roleObstacles(roles, x.server, p.From != "")
	if p.From == "" {
		if len(roles) < len(wardRoles) {
			for _, r := range roles {
				p.Roles = append(p.Roles, r.Name)
			}
		}
		shared, err := schemaObstacles(ctx, db, x.server)
		if err != nil {
			return x, err
		}
		x.obstacles = slices.Concat(x.server.obstacles(), x.obstacles, shared)
	}
	names, err := p.nameObstacles(ctx, db)
	if err != nil {
		return x, err
	}
	x.obstacles = slices.Concat(x.obstacles, names, p.notOurs)
	x.takes, err = readTakes(ctx, db)
	if p.From != "" { // what the first installation was refused is not asked for at every upgrade
		x.takes = slices.DeleteFunc(x.takes, func(t Take) bool { return t.Refused })
	}
	return x, err
}

// unfit are the servers and databases where ward cannot be.
func (s *server) unfit() []Obstacle {
	switch {
	case s.version < oldestServer:
		return []Obstacle{{What: fmt.Sprintf("the server is PostgreSQL %d: ward needs %d or later", s.version,
			oldestServer)}}
	case s.standby:
		return []Obstacle{{What: "the server is a standby, which is read-only: migrate on its primary"}}
	case s.encoding != "UTF8":
		return []Obstacle{{What: fmt.Sprintf("the database's encoding is %s: ward needs UTF8, which holds every name, "+
			"reason and note; make a database with encoding UTF8 and restore a dump into it", s.encoding)}}
	}
	return nil
}

func (s *server) obstacles() []Obstacle {
	var found []Obstacle
	add := func(what string, mend ...string) { found = append(found, Obstacle{What: what, Mend: mend}) }
	if !s.superuser && !s.createRole {
		add(s.login+" may not create roles, and ward needs nine", "alter role "+s.login+" createrole")
	}
	if !s.ownsTheBase {
		add(fmt.Sprintf("%s does not own the database %s", s.login, s.database),
			fmt.Sprintf("alter database %s owner to %s", s.database, s.login))
	}
	switch {
	case s.public == "":
		add("there is no schema public, which ward needs for pgcrypto", "create schema public")
	case !s.ownsPublic && s.ownsTheBase:
		add(fmt.Sprintf("schema public belongs to %s: %s may not grant rights on it", s.public, s.login),
			"alter schema public owner to pg_database_owner")
	}
	switch {
	case s.pgcrypto != "" && s.pgcrypto != "public":
		add(fmt.Sprintf("extension pgcrypto is in schema %s: ward's functions look for it in public", s.pgcrypto),
			"alter extension pgcrypto set schema public")
	case s.pgcrypto == "" && !s.pgcryptoAvailable:
		add("extension pgcrypto is not available on this server: install its files (Debian: postgresql-contrib)")
	case s.pgcrypto == "":
		for _, f := range s.pgcryptoClash {
			name, _, _ := strings.Cut(f, "(")
			add(fmt.Sprintf("function public.%s has the name of one of extension pgcrypto", f),
				fmt.Sprintf("alter function public.%s rename to your_%s", f, name))
		}
	}
	return found
}

// A wardRole is a role that the first numbered file makes.
type wardRole struct {
	name  string
	login bool
}

var wardRoles = []wardRole{
	{"ward_owner", false}, {"ward_keys", false}, {"ward_reader", false}, {"ward_rule", false},
	{"ward_app", true}, {"ward_worker", true}, {"ward_reviewer", true}, {"ward_identity", true}, {"ward_migrate", true},
}

func roleNames() []string {
	var names []string
	for _, r := range wardRoles {
		names = append(names, r.name)
	}
	return names
}

// A role is one of the cluster's that has a name of ward's. Roles are the whole cluster's: another database may have
// made them, and then this one shares them.
type role struct {
	Name    string
	Login   bool
	Excess  []string // attributes that a role of ward's must not have
	Member  []string // roles of others that it is a member of
	Members []string // others who may act as it
	Givers  []string // others who may make somebody, or themselves, a member of it
	Used    bool     // it owns objects, or has rights on some
	Grant   bool     // the login that installs may grant it
}

func readRoles(ctx context.Context, db querier) ([]role, error) {
	rows, err := db.Query(ctx, `
		select r.rolname::text, r.rolcanlogin,
		  array_remove(array[case when r.rolsuper then 'superuser' end, case when r.rolbypassrls then 'bypassrls' end,
		    case when r.rolreplication then 'replication' end, case when r.rolcreaterole then 'createrole' end,
		    case when r.rolcreatedb then 'createdb' end], null),
		  array(select quote_ident(g.rolname) from pg_auth_members m join pg_roles g on g.oid = m.roleid
		    where m.member = r.oid and not (r.rolname = 'ward_migrate' and g.rolname = any ($1)) order by 1),
		  array(select quote_ident(g.rolname) from pg_auth_members m join pg_roles g on g.oid = m.member
		    where m.roleid = r.oid and g.rolname <> all ($1) and not g.rolsuper
		      and pg_has_role(g.oid, r.oid, case when current_setting('server_version_num')::int < 160000 then 'member'
		        else 'set' end) order by 1),
		  array(select distinct quote_ident(g.rolname) from pg_auth_members m join pg_roles g on g.oid = m.member
		    where m.roleid = r.oid and m.admin_option and g.rolname <> all ($1) and not g.rolsuper order by 1),
		  exists (select from pg_shdepend d where d.refclassid = 'pg_authid'::regclass and d.refobjid = r.oid
		    and (d.deptype = 'o' or d.deptype = 'a' and d.classid <> 'pg_database'::regclass)),
		  (select rolsuper from pg_roles where rolname = current_user)
		    or current_setting('server_version_num')::int < 160000 or pg_has_role(r.oid, 'member with admin option')
		from pg_roles r where r.rolname = any ($1) order by array_position($1, r.rolname::text)`, roleNames())
	if err != nil {
		return nil, fmt.Errorf("look at the roles: %w", err)
	}
	roles, err := pgx.CollectRows(rows, pgx.RowToStructByPos[role])
	if err != nil {
		return nil, fmt.Errorf("look at the roles: %w", err)
	}
	return roles, nil
}

// roleObstacles of all roles that are there. Where all are, another database of the cluster has ward, or this one; one
// role alone that is in use is somebody's. Whoever acts as ward_migrate there is trusted with the others. Once ward is
// installed, ward_migrate may act as the owners of protected tables.
func roleObstacles(roles []role, s *server, installed bool) []Obstacle {
	complete := len(roles) == len(wardRoles)
	trusted := []string{s.login}
	for _, r := range roles {
		if complete && r.Name == "ward_migrate" {
			trusted = append(trusted, r.Members...)
		}
	}
	others := func(names []string) []string {
		return slices.DeleteFunc(names, func(n string) bool { return slices.Contains(trusted, n) })
	}
	var found []Obstacle
	for _, r := range roles {
		r.Members, r.Givers = others(r.Members), others(r.Givers)
		if installed && r.Name == "ward_migrate" {
			r.Member = nil
		}
		found = append(found, r.obstacles(s, complete)...)
	}
	return found
}

// obstacles of a role. The owner of a removed installation's history is nobody's.
func (r role) obstacles(s *server, complete bool) []Obstacle {
	var found []Obstacle
	add := func(what string, mend ...string) { found = append(found, Obstacle{What: what, Mend: mend}) }
	if !complete && (r.Used && (r.Login || len(r.Members) > 0) || len(r.Member) > 0) {
		add(fmt.Sprintf("role %s is in use, and not by ward: it owns objects, has rights or is a member of a role",
			r.Name), fmt.Sprintf("alter role %s rename to your_%s", r.Name, r.Name))
		return found
	}
	if len(r.Excess) > 0 {
		add(fmt.Sprintf("role %s has %s, which no role of ward's may have", r.Name, strings.Join(r.Excess, ", ")),
			fmt.Sprintf("alter role %s no%s", r.Name, strings.Join(r.Excess, " no")))
	}
	nologin := slices.Contains(wardRoles, wardRole{name: r.Name})
	if nologin && r.Login {
		add(fmt.Sprintf("role %s can log in: it owns what ward makes, and nobody may be it", r.Name),
			fmt.Sprintf("alter role %s nologin", r.Name))
	}
	for _, m := range r.Member {
		add(fmt.Sprintf("role %s is a member of %s", r.Name, m), fmt.Sprintf("revoke %s from %s", m, r.Name))
	}
	if nologin || !complete && r.Name == "ward_migrate" {
		for _, m := range r.Members {
			add(fmt.Sprintf("%s may act as %s, which owns what ward makes", m, r.Name),
				fmt.Sprintf("revoke %s from %s", r.Name, m))
		}
	}
	for _, g := range r.Givers {
		if !slices.Contains(r.Members, g) || !nologin {
			add(fmt.Sprintf("%s may make anybody a member of %s (ADMIN OPTION)", g, r.Name),
				fmt.Sprintf("revoke %s from %s", r.Name, g))
		}
	}
	if !r.Grant && s.createRole && !s.superuser {
		add(fmt.Sprintf("%s may not grant role %s, which another login has made", s.login, r.Name),
			fmt.Sprintf("grant %s to %s with admin option", r.Name, s.login))
	}
	return found
}

// schemaObstacles looks at who could reach ward's objects through a schema that is there already: its owner may drop
// them, and whoever creates functions in it could have ward's own call theirs.
func schemaObstacles(ctx context.Context, db querier, s *server) ([]Obstacle, error) {
	rows, err := db.Query(ctx, `
		select n.nspname::text, quote_ident(o.rolname), o.rolname = current_user or $2 and o.rolsuper,
			o.rolname = any ($3),
		  array(select distinct case when a.grantee = 0 then 'public' else quote_ident(a.grantee::regrole::text) end
		    from aclexplode(n.nspacl) a where a.privilege_type = 'CREATE' and a.grantee <> n.nspowner order by 1)
		from pg_namespace n join pg_roles o on o.oid = n.nspowner where n.nspname = any ($1)
		order by array_position($1, n.nspname::text)`, sharable, s.superuser, roleNames())
	if err != nil {
		return nil, fmt.Errorf("look at the schemas: %w", err)
	}
	var found []Obstacle
	var name, owner string
	var trusted, left bool
	var creators []string
	_, err = pgx.ForEachRow(rows, []any{&name, &owner, &trusted, &left, &creators}, func() error {
		switch {
		case left:
			found = append(found, Obstacle{
				fmt.Sprintf("schema %s belongs to %s: an installation that was removed left it", name, owner),
				[]string{fmt.Sprintf("alter schema %s rename to %s_removed", name, name)},
			})
			return nil
		case !trusted:
			found = append(found, Obstacle{
				fmt.Sprintf("schema %s belongs to %s, who could drop what ward keeps in it", name, owner),
				[]string{fmt.Sprintf("alter schema %s owner to %s", name, s.login)},
			})
		}
		for _, c := range creators {
			found = append(found, Obstacle{
				fmt.Sprintf("%s may create in schema %s: ward's functions could be made to call theirs", c, name),
				[]string{fmt.Sprintf("revoke create on schema %s from %s", name, c)},
			})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look at the schemas: %w", err)
	}
	return found, nil
}

// A clash is an object of somebody's that has a name of ward's.
type clash struct{ Kind, Schema, Name, Object, Free string }

// nameObstacles finds objects that have the name of one that the plan makes. A table's name is its row type's too.
// What a removed installation left goes with its schema. Once ward is installed, what its roles own is its own: a
// numbered file may drop it and make it anew.
func (p *Plan) nameObstacles(ctx context.Context, db querier) ([]Obstacle, error) {
	wanted := p.newNames()
	rows, err := db.Query(ctx, `
		with s as (select n.oid, n.nspname from pg_namespace n
		  where n.nspname = any ($1) and (n.nspowner::regrole::text <> all ($2) or $3)),
		x(kind, schema, name, object, owner) as (
		select case c.relkind when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence'
		    when 'i' then 'index' when 'I' then 'index' when 'f' then 'foreign table' when 'c' then 'type'
		    else 'table' end,
		  s.nspname, c.relname, format('%I.%I', s.nspname, c.relname), c.relowner
		from pg_class c join s on s.oid = c.relnamespace
		union all
		select case t.typtype when 'd' then 'domain' else 'type' end, s.nspname, t.typname,
		  format('%I.%I', s.nspname, t.typname), t.typowner
		from pg_type t join s on s.oid = t.typnamespace
		where t.typrelid = 0 and t.typcategory <> 'A'
		union all
		select case p.prokind when 'p' then 'procedure' when 'a' then 'aggregate' else 'function' end, s.nspname,
		  p.proname, format('%I.%I(%s)', s.nspname, p.proname, pg_get_function_identity_arguments(p.oid)), p.proowner
		from pg_proc p join s on s.oid = p.pronamespace)
		select kind, schema, name, object, quote_ident('your_' || name) from x
		where not ($3 and owner::regrole::text = any ($2))
		order by schema, kind, object`, sharable, roleNames(), p.From != "")
	if err != nil {
		return nil, fmt.Errorf("look at the names: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[clash])
	if err != nil {
		return nil, fmt.Errorf("look at the names: %w", err)
	}
	var found []Obstacle
	for _, c := range all {
		if !wanted.has(c) {
			continue
		}
		found = append(found, Obstacle{
			What: fmt.Sprintf("%s %s has a name that ward needs", c.Kind, c.Object),
			Mend: []string{fmt.Sprintf("alter %s %s rename to %s", c.Kind, c.Object, c.Free)},
		})
	}
	return found, nil
}
