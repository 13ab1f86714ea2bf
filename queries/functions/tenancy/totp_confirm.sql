-- Confirms an enrolment (tenancy.totp_enroll) with its first code, which makes it count; returns the recovery codes,
-- once.
create or replace function tenancy.totp_confirm(code text)
  returns text[]
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  claims jsonb := tenancy.claims();
  who uuid := (claims->>'sub')::uuid;
  codes text[];
begin
  if claims is null then raise exception 'nobody is signed in: ward login' using errcode = '28000'; end if;
  codes := tenancy.totp_activate(who, (claims->>'sid')::uuid, code);
  if codes is null then
    raise exception 'this is not the code of this minute: check the clock of the device, and type the next code'
      using errcode = '22023';
  end if;
  perform audit.write(
    coalesce((claims->>'tid')::uuid, tenancy.installation()), 'configure', 'ok', '{"what":"totp confirm"}'
  );
  return codes;
end $$;

grant execute on function tenancy.totp_confirm to ward_app, ward_reviewer;
