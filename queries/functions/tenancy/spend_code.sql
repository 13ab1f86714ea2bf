-- Owner: ward_keys
-- Uses up a code of the active enrolment: null when it held or none is enrolled, else 'needed' or 'wrong'. The update's
-- condition is looked at again after the row lock, so that of many calls with one code one succeeds, and none once the
-- enrolment has ended. After 100 tries in a row (NIST SP 800-63B 5.2.2) only a recovery code helps, or an
-- administrator.
create or replace function tenancy.spend_code(who uuid, code text)
  returns text
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  enrolment tenancy.totp;
  step bigint;
  tries bigint;
begin
  select * into enrolment
  from tenancy.totp totp
  where totp.user_id = who and totp.active_at is not null and totp.ended_at is null;
  if not found then return null; end if;
  code := regexp_replace(coalesce(code, ''), '\s', '', 'g');
  if code = '' then return 'needed'; end if;
  if code ~ '^[0-9]{6}$' then
    tries := nextval(tenancy.totp_tries(enrolment.id));
    if tries - enrolment.forgiven > 100 then return 'wrong'; end if;
    step := tenancy.totp_step(enrolment.secret, enrolment.last_step, code);
    update tenancy.totp totp set last_step = step, forgiven = tries
    where totp.id = enrolment.id and totp.last_step < step and totp.ended_at is null;
    return case when found then null else 'wrong' end;
  end if;
  return case when tenancy.spend_recovery(who, code) then null else 'wrong' end;
end $$;

grant execute on function tenancy.spend_code to ward_owner;
