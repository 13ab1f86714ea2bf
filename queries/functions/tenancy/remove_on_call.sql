-- Takes somebody off the roster; a grant that they took under it ends too.
create or replace function tenancy.remove_on_call(who text, tenant text, reason text)
  returns int
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  t uuid := case when tenant is not null then tenancy.tenant_named(tenant, 'grant') end;
  by_user uuid := tenancy.reviewer_of('grant', t);
  u uuid := tenancy.user_named(who);
  n int := 0;
  g tenancy.reviewer_grant;
begin
  update tenancy.on_call x set removed_at = clock_timestamp()
  where x.user_id = u and x.tenant_id is not distinct from t and x.removed_at is null;
  if not found then
    raise exception '% is not on that roster', who using errcode = '02000', hint = 'ward oncall list shows it';
  end if;
  perform audit.write(
    coalesce(t, tenancy.installation()), 'configure', 'ok',
    jsonb_build_object('what', 'on call remove', 'user', u, 'tenant', t, 'reason', core.require_reason(reason))::text
  );
  for g in
    select *
    from tenancy.reviewer_grant x
    where x.user_id = u
      and x.granted_by = u
      and x.role = 'on_call_engineer'
      and x.ended_at is null
      and x.expires_at > clock_timestamp()
      and (t is null or x.tenant_id = t)
  loop
    perform tenancy.close_grant(g, reason);
    n := n + 1;
  end loop;
  return n;
end $$;

grant execute on function tenancy.remove_on_call to ward_reviewer;
