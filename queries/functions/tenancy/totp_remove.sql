-- Removes another person's second factor, for somebody who has lost it.
create or replace function tenancy.totp_remove(who text, reason text)
  returns uuid
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  by_user uuid := tenancy.reviewer_of('configure', tenant => null);
  person uuid := tenancy.user_named(who);
begin
  if person = by_user then
    raise exception
      'you cannot remove your own second factor: another administrator has to do it'
      using errcode = 'WARD2', hint = 'or replace it with ward totp enroll --recovery';
  end if;
  if not tenancy.totp_end(person) then
    raise exception 'user % has no second factor', who using errcode = '02000';
  end if;
  perform audit.write(
    tenancy.installation(), 'configure', 'ok',
    jsonb_build_object('what', 'totp remove', 'user', person, 'reason', core.require_reason(reason))::text
  );
  return person;
end $$;

grant execute on function tenancy.totp_remove to ward_reviewer;
