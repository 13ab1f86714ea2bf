-- Lets a disabled person sign in again. What was ended stays ended: memberships and grants are given anew.
create or replace function tenancy.enable_user(who text, reason text)
  returns uuid
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  by_user uuid := tenancy.reviewer_of('configure', tenant => null);
  person uuid := tenancy.user_named(who);
begin
  update tenancy.users u set disabled_at = null where u.id = person and u.disabled_at is not null;
  if not found then raise exception 'user % is not disabled', who using errcode = '55000'; end if;
  perform audit.write(
    tenancy.installation(), 'configure', 'ok',
    jsonb_build_object('what', 'user enable', 'user', person, 'reason', core.require_reason(reason))::text
  );
  return person;
end $$;

grant execute on function tenancy.enable_user to ward_reviewer;
