-- Owner: ward_keys
-- Activates what this session enrolled, with its first code; gives ten recovery codes, or null when the code is wrong.
create or replace function tenancy.totp_activate(who uuid, session uuid, code text)
  returns text[]
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  t tenancy.totp;
  s bigint;
  c text;
  codes text[] := '{}';
begin
  select * into t
  from tenancy.totp x
  where x.user_id = who and x.session_id = session and x.active_at is null and x.ended_at is null
  for update;
  if not found then
    raise exception 'no enrolment of this session waits for a code: ward totp enroll' using errcode = '02000';
  end if;
  s := tenancy.totp_step(t.secret, t.last_step, regexp_replace(coalesce(code, ''), '\s', '', 'g'));
  if s is null then return null; end if;
  update tenancy.totp x set ended_at = clock_timestamp()
  where x.user_id = who and x.active_at is not null and x.ended_at is null;
  update tenancy.totp x set active_at = clock_timestamp(), last_step = s where x.id = t.id;
  execute format('create sequence tenancy.%I', 'totp_' || replace(t.id::text, '-', ''));
  for i in 1..10 loop
    c := lower(core.base32(public.gen_random_bytes(10)));
    insert into tenancy.recovery_code (totp_id, sha256) values (t.id, tenancy.recovery_hash(c));
    codes := codes || concat_ws('-', substr(c, 1, 4), substr(c, 5, 4), substr(c, 9, 4), substr(c, 13, 4));
  end loop;
  return codes;
end $$;

grant execute on function tenancy.totp_activate to ward_owner;
