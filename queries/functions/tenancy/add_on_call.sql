-- Puts somebody on the roster of one clinic or (tenant null) of any: from then on they may take an on-call grant
-- themselves (tenancy.take_on_call).
create or replace function tenancy.add_on_call(who text, tenant text, reason text)
  returns uuid
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  clinic uuid := case when tenant is not null then tenancy.tenant_named(tenant, 'grant') end;
  by_user uuid := tenancy.reviewer_of('grant', clinic);
  person uuid := tenancy.user_named(who);
  entry uuid;
begin
  if person = by_user then
    raise exception 'you cannot put yourself on call: another administrator has to do it' using errcode = 'WARD2';
  end if;
  if not exists (select from tenancy.users u where u.id = person and u.kind = 'human' and u.disabled_at is null) then
    raise exception '% is disabled or a service account, which cannot be on call: name a person who works here', who
      using errcode = '55000';
  end if;
  if exists (
    select from tenancy.on_call o
    where o.user_id = person and o.tenant_id is not distinct from clinic and o.removed_at is null
  ) then
    raise exception '% is on call there already', who
      using errcode = '23505', hint = 'ward oncall list shows the roster';
  end if;
  insert into tenancy.on_call (user_id, tenant_id, added_by, reason)
  values (person, clinic, by_user, core.require_reason(reason)) returning id into entry;
  perform audit.write(
    coalesce(clinic, tenancy.installation()), 'configure', 'ok',
    jsonb_build_object('what', 'on call add', 'user', person, 'tenant', clinic, 'reason', reason)::text
  );
  return entry;
end $$;

grant execute on function tenancy.add_on_call to ward_reviewer;
