-- Ids of another system that are no uuids: a keyed hash, since a short number could be guessed from a plain one.
create or replace function audit.foreign_id(tenant uuid, system text, id text)
  returns uuid
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
  select case
    when id is null then null
    when id ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then id::uuid
    else left(tenancy.fingerprint(concat_ws('|', 'import', tenant, system, id)), 32)::uuid
  end
$$;
