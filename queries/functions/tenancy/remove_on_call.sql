-- Takes somebody off the roster; a grant that they took under it ends too.
create or replace function tenancy.remove_on_call(who text, tenant text, reason text)
  returns int
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  clinic uuid := case when tenant is not null then tenancy.tenant_named(tenant, 'grant') end;
  by_user uuid := tenancy.reviewer_of('grant', clinic);
  person uuid := tenancy.user_named(who);
  grants_ended int := 0;
  held tenancy.reviewer_grant;
begin
  update tenancy.on_call o set removed_at = clock_timestamp()
  where o.user_id = person and o.tenant_id is not distinct from clinic and o.removed_at is null;
  if not found then
    raise exception '% is not on call there', who using errcode = '02000', hint = 'ward oncall list shows it';
  end if;
  perform audit.write(
    coalesce(clinic, tenancy.installation()), 'configure', 'ok',
    jsonb_build_object(
      'what', 'on call remove', 'user', person, 'tenant', clinic, 'reason', core.require_reason(reason)
    )::text
  );
  for held in
    select *
    from tenancy.reviewer_grant g
    where g.user_id = person
      and g.granted_by = person
      and g.role = 'on_call_engineer'
      and g.ended_at is null
      and g.expires_at > clock_timestamp()
      and (clinic is null or g.tenant_id = clinic)
  loop
    perform tenancy.close_grant(held, reason);
    grants_ended := grants_ended + 1;
  end loop;
  return grants_ended;
end $$;

grant execute on function tenancy.remove_on_call to ward_reviewer;
