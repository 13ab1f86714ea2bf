-- Notes an ask. The next transactions of the session may look at what it names, for as long as its lease.
create or replace function tenancy.remember_ask(
  disclosure uuid,
  what text,
  ids uuid[],
  payload jsonb,
  lease interval,
  tenant uuid default null,
  claims jsonb default tenancy.claims()
)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if disclosure is null then
    raise exception 'an ask needs a disclosure id: choose a random uuid' using errcode = '22004';
  end if;
  insert into tenancy.disclosure (disclosure_id, session_id, user_id, tenant_id, what, ids, payload, expires_at)
  values (
    disclosure, (claims->>'sid')::uuid, (claims->>'sub')::uuid, coalesce(tenant, (claims->>'tid')::uuid), what,
    coalesce(ids, '{}'), coalesce(payload, '{}'), clock_timestamp() + lease
  );
end $$;
