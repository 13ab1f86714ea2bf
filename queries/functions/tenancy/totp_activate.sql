-- Owner: ward_keys
-- Activates what this session enrolled, with its first code; gives ten recovery codes, or null when the code is wrong.
create or replace function tenancy.totp_activate(who uuid, session uuid, code text)
  returns text[]
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  enrolment tenancy.totp;
  step bigint;
  recovery text;
  codes text[] := '{}';
begin
  select * into enrolment
  from tenancy.totp totp
  where totp.user_id = who and totp.session_id = session and totp.active_at is null and totp.ended_at is null
  for update;
  if not found then
    raise exception 'this session has begun no enrolment that waits for a code: ward totp enroll begins one'
      using errcode = '02000';
  end if;
  step := tenancy.totp_step(enrolment.secret, enrolment.last_step, regexp_replace(coalesce(code, ''), '\s', '', 'g'));
  if step is null then return null; end if;
  update tenancy.totp totp set ended_at = clock_timestamp()
  where totp.user_id = who and totp.active_at is not null and totp.ended_at is null;
  update tenancy.totp totp set active_at = clock_timestamp(), last_step = step where totp.id = enrolment.id;
  execute format('create sequence tenancy.%I', 'totp_' || replace(enrolment.id::text, '-', ''));
  for code_number in 1..10 loop
    recovery := lower(core.base32(public.gen_random_bytes(10)));
    insert into tenancy.recovery_code (totp_id, sha256) values (enrolment.id, tenancy.recovery_hash(recovery));
    codes := codes || concat_ws(
      '-', substr(recovery, 1, 4), substr(recovery, 5, 4), substr(recovery, 9, 4), substr(recovery, 13, 4)
    );
  end loop;
  return codes;
end $$;

grant execute on function tenancy.totp_activate to ward_owner;
