-- Grants a reviewer's role, at one clinic or (tenant null) at every one. hours null: without an end.
create or replace function tenancy.add_grant(
  who text, role text, tenant text, reason text, ticket text default null, hours numeric default null
)
  returns uuid
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  grant_id uuid;
  clinic uuid := case when tenant is not null then tenancy.tenant_named(tenant, 'grant') end;
  by_user uuid := tenancy.reviewer_of('grant', clinic);
  person uuid := tenancy.user_named(who);
  now_at timestamptz := clock_timestamp();
begin
  if person = by_user then
    raise exception 'you cannot grant anything to yourself: another administrator has to do it' using errcode = 'WARD2';
  end if;
  if role not in (select distinct a.role from tenancy.reviewer_action a) then
    raise exception 'there is no reviewer role "%"', role
      using errcode = '22023', hint = 'name administrator, compliance_officer, auditor or on_call_engineer';
  end if;
  if not exists (select from tenancy.users u where u.id = person and u.kind = 'human' and u.disabled_at is null) then
    raise exception '% is disabled or a service account, which cannot review: name a person who works here', who
      using errcode = '55000';
  end if;
  if role = 'on_call_engineer' then perform tenancy.one_on_call(person); end if;
  if role = 'on_call_engineer'
    and (clinic is null or coalesce(ticket, '') = '' or hours is null or hours > 4 or hours <= 0)
  then
    raise exception 'an on-call grant needs one clinic, a ticket, and more than 0 and at most 4 hours'
      using errcode = '22023';
  end if;
  if hours <= 0 or hours > 87600 then
    raise exception 'a grant cannot last % hours: give more than 0 and at most 87,600, or none for one without an end',
      hours
      using errcode = '22023';
  end if;
  insert into tenancy.reviewer_grant (user_id, role, tenant_id, granted_by, reason, ticket, starts_at, expires_at)
  values (
    person, add_grant.role, clinic, by_user, core.require_reason(reason), ticket, now_at,
    case when hours is not null then now_at + hours * interval '1 hour' end
  ) returning id into grant_id;
  perform audit.write(
    coalesce(clinic, tenancy.installation()), 'grant', 'ok',
    jsonb_build_object(
      'grant', grant_id, 'user', person, 'role', role, 'tenant', clinic, 'reason', reason, 'ticket', ticket,
      'hours', hours
    )::text
  );
  return grant_id;
end $$;

grant execute on function tenancy.add_grant to ward_reviewer;
