-- Roles and schemas. Roles are cluster-wide, so a second database in the same cluster finds them
-- there. This file needs CREATEROLE and CREATE on the database; the later ones need ward_migrate.

do $$
declare r record;
begin
  perform pg_advisory_xact_lock(hashtext('ward roles'));
  for r in select * from (values
      ('ward_owner', 'nologin'),   -- owns the schemas; no BYPASSRLS, so FORCE binds it
      ('ward_keys', 'nologin'),    -- owns signing and MAC keys and the functions that use them
      ('ward_reader', 'nologin'),  -- owns the phi views and the evaluation of searches
      -- as which an installation's own review rules run: reads events and relationships, nothing else
      ('ward_rule', 'nologin'),
      ('ward_app', 'login'),       -- the application
      ('ward_worker', 'login'),    -- seal, ship, review: reads events and relationships, no PHI
      ('ward_reviewer', 'login'),  -- terminal and command line
      -- fetches identity providers' keys, and nothing else. Not the worker: whoever writes the keys can be anybody, and
      -- the worker, which runs for long and works on much, is what an attacker would most likely hold
      ('ward_identity', 'login'),
      ('ward_migrate', 'login')  -- may SET ROLE ward_owner: the one privileged login
  ) as v(name, kind) loop
    if not exists (select from pg_roles where rolname = r.name) then
      execute format('create role %I %s nosuperuser nocreatedb nocreaterole noreplication nobypassrls', r.name, r.kind);
    end if;
  end loop;
  grant ward_owner, ward_keys, ward_reader, ward_rule to ward_migrate;
  -- No superuser, where a platform keeps that to itself: the login that installs has to be a member of those who will
  -- own what it makes. From PostgreSQL 16 on who creates a role is a member of it at once, but one that may neither SET
  -- ROLE to it nor inherit.
  if not (select rolsuper from pg_roles where rolname = current_user) and not pg_has_role(current_user, 'ward_migrate',
    case when current_setting('server_version_num')::int >= 160000 then 'set' else 'member' end)
  then
    execute format('grant ward_migrate to %I', current_user);
  end if;
  execute format(
    'grant connect on database %I to ward_app, ward_worker, ward_reviewer, ward_identity, ward_migrate',
    current_database()
  );
end $$;
-- Advisory locks carry no privileges of their own, so ward migrate takes them from PUBLIC; these roles need them.
do $$
declare f regprocedure;
begin
  for f in
    select p.oid
    from pg_proc p
    where p.pronamespace = 'pg_catalog'::regnamespace and p.proname ~ '^pg_(try_)?advisory_(xact_)?lock'
  loop
    execute format('grant execute on function %s to ward_owner, ward_keys, ward_worker, ward_migrate', f);
  end loop;
exception when insufficient_privilege then
  raise warning 'this platform does not let advisory locks be granted: see docs/SECURITY.md';
end $$;
create extension if not exists pgcrypto with schema public;
-- A schema that is there already is somebody's: ward's objects live beside theirs, and ward_owner may let others into
-- it. Schema auth is left alone then (Supabase): ward itself calls tenancy.claims().
create schema if not exists core authorization ward_owner;
create schema if not exists tenancy authorization ward_owner;
create schema if not exists audit authorization ward_owner;
create schema if not exists review authorization ward_owner;
create schema if not exists auth authorization ward_owner;
create schema if not exists river authorization ward_owner;
create schema if not exists phi authorization ward_reader;
do $$
declare s record;
begin
  for s in select n.nspname, case n.nspname when 'phi' then 'ward_reader' else 'ward_owner' end as owner
    from pg_namespace n where n.nspname in ('core', 'tenancy', 'audit', 'review', 'river', 'phi')
      and n.nspowner not in ('ward_owner'::regrole, 'ward_reader'::regrole)
  loop
    execute format('grant usage, create on schema %I to %I with grant option', s.nspname, s.owner);
  end loop;
  if (select n.nspowner = 'ward_owner'::regrole from pg_namespace n where n.nspname = 'auth') then
    grant usage on schema auth to ward_keys, ward_reader, ward_app, ward_worker, ward_reviewer, ward_migrate;
  end if;
end $$;
grant usage on schema tenancy, audit to ward_keys, ward_reader, ward_app, ward_worker, ward_reviewer, ward_migrate;
grant usage on schema tenancy to ward_identity;
grant usage on schema core to ward_keys;
grant usage on schema review to ward_worker, ward_reviewer, ward_migrate;
grant usage on schema phi to ward_app, ward_owner;
grant usage, create on schema tenancy to ward_keys, ward_reader;
grant usage, create on schema audit to ward_reader;
grant usage, create on schema public to ward_owner;
grant usage on schema public to ward_app, ward_reader, ward_keys;
grant usage on schema river to ward_worker;
alter default privileges for role ward_owner in schema river grant select, insert, update, delete, truncate on tables
  to ward_worker;
alter default privileges for role ward_owner in schema river grant usage, select on sequences to ward_worker;
alter default privileges for role ward_owner in schema river grant usage on types to ward_worker;
alter default privileges for role ward_owner in schema river grant execute on functions to ward_worker;
alter default privileges for role ward_owner revoke execute on functions from public;
alter default privileges for role ward_keys revoke execute on functions from public;
alter default privileges for role ward_reader revoke execute on functions from public;
grant usage on schema review, tenancy to ward_rule;
grant usage on schema core to ward_app, ward_worker, ward_reviewer, ward_identity, ward_migrate;

-- What ward migrate has made here. It compares these rows with its files and with the catalog.
set local role ward_owner;

-- The numbered files of tables, which never change once they were applied.
create table core.table_file (
  version int primary key,
  name text not null,
  sum text not null,  -- SHA-256 of the file, hexadecimal
  applied_at timestamptz not null default clock_timestamp()
);

-- The functions, views and triggers, which are made anew when their file changes.
create table core.object (
  kind text not null check (kind in ('function', 'view', 'triggers')),
  name text not null,  -- schema.name; of triggers, their table's
  signature text,      -- a function's, with the types of its arguments
  sum text not null,   -- SHA-256 of the file, hexadecimal
  live text not null,  -- a digest of what the catalog said right after: another one was changed by hand
  applied_at timestamptz not null default clock_timestamp(),
  primary key (kind, name)
);

-- The release that this database is at. Programs compare it with their own before they work on it.
create table core.release (
  one boolean primary key default true check (one),
  version text not null,
  tables int not null,      -- the last numbered file
  sum text not null,        -- of all files together
  generator text not null,  -- of what tenancy.protect makes for a table
  migrated_at timestamptz not null default clock_timestamp()
);

-- What was taken from PUBLIC, which ward migrate --remove gives back. Rights that PUBLIC did not have are not here.
create table core.taken (
  what text primary key,
  give_back text not null,  -- the statement; :database stands for the database's name
  taken_at timestamptz not null default clock_timestamp()
);
grant select on core.release to ward_app, ward_worker, ward_reviewer, ward_identity, ward_migrate;
grant select, insert, update, delete on core.table_file, core.object to ward_migrate;
grant select, insert on core.taken to ward_migrate;
grant insert, update on core.release to ward_migrate;
reset role;
