-- Writes one event for somebody who has no identity yet, or who is being refused one.
create or replace function audit.write_as(
  tenant uuid, who uuid, session uuid, membership uuid, action text, outcome text, detail text
)
  returns void
  language sql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
  insert into audit.event (tenant_id, user_id, actor_kind, session_id, membership_id, action, outcome, detail)
  values (
    tenant, who,
    coalesce((select kind from tenancy.users u where u.id = who), 'unknown'),
    session, membership, action, outcome, detail
  )
$$;
