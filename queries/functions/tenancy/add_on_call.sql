create or replace function tenancy.add_on_call(who text, tenant text, reason text)
  returns uuid
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  t uuid := case when tenant is not null then tenancy.tenant_named(tenant, 'grant') end;
  by_user uuid := tenancy.reviewer_of('grant', t);
  u uuid := tenancy.user_named(who);
  o uuid;
begin
  if u = by_user then
    raise exception 'nobody puts themself on call: another administrator does' using errcode = 'WARD2';
  end if;
  if not exists (select from tenancy.users x where x.id = u and x.kind = 'human' and x.disabled_at is null) then
    raise exception '% is disabled or a service account: neither is on call', who using errcode = '55000';
  end if;
  if exists (
    select from tenancy.on_call x where x.user_id = u and x.tenant_id is not distinct from t and x.removed_at is null
  ) then
    raise exception '% is on that roster already', who using errcode = '23505';
  end if;
  insert into tenancy.on_call (user_id, tenant_id, added_by, reason)
  values (u, t, by_user, core.require_reason(reason)) returning id into o;
  perform audit.write(
    coalesce(t, tenancy.installation()), 'configure', 'ok',
    jsonb_build_object('what', 'on call add', 'user', u, 'tenant', t, 'reason', reason)::text
  );
  return o;
end $$;

grant execute on function tenancy.add_on_call to ward_reviewer;
