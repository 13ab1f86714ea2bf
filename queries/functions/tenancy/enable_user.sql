-- The person may sign in again. What was ended stays ended: memberships and grants are given anew.
create or replace function tenancy.enable_user(who text, reason text)
  returns uuid
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  by_user uuid := tenancy.reviewer_of('configure', null);
  u uuid := tenancy.user_named(who);
begin
  update tenancy.users x set disabled_at = null where x.id = u and x.disabled_at is not null;
  if not found then raise exception '% is not disabled', who using errcode = '55000'; end if;
  perform audit.write(
    tenancy.installation(), 'configure', 'ok',
    jsonb_build_object('what', 'user enable', 'user', u, 'reason', core.require_reason(reason))::text
  );
  return u;
end $$;

grant execute on function tenancy.enable_user to ward_reviewer;
