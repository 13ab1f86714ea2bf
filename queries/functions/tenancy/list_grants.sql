-- The caller's own grants, and those of the clinics within reach, ended ones too.
create or replace function tenancy.list_grants()
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare who uuid := tenancy.user_id();
begin
  perform tenancy.the_ask('list:grants');
  return query select jsonb_build_object(
    'id', g.id, 'user', u.slug, 'name', u.name, 'role', g.role, 'tenant', t.slug, 'granted_by', granter.slug,
    'reason', g.reason, 'ticket', g.ticket, 'starts_at', g.starts_at, 'expires_at', g.expires_at, 'ended_at', g.ended_at
  )
  from tenancy.reviewer_grant g
    join tenancy.users u on u.id = g.user_id
    left join tenancy.users granter on granter.id = g.granted_by
    left join tenancy.tenant t on t.id = g.tenant_id
  where g.user_id = who or tenancy.sees(who, g.tenant_id)
  order by g.starts_at desc;
end $$;

grant execute on function tenancy.list_grants to ward_reviewer;
