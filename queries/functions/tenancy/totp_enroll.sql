-- Begins an enrolment: the secret, for the authenticator. Whoever has one already replaces it with a recovery code: six
-- digits could be guessed here.
create or replace function tenancy.totp_enroll(recovery text default null)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  claims jsonb := tenancy.claims();
  who uuid := (claims->>'sub')::uuid;
  secret text;
begin
  if claims is null then raise exception 'nobody is signed in: ward login' using errcode = '28000'; end if;
  if claims->>'kind' <> 'human' then
    raise exception 'a service account cannot enrol a second factor' using errcode = '42501';
  end if;
  if tenancy.totp_session(who) is not null and not tenancy.spend_recovery(who, coalesce(recovery, '')) then
    raise exception 'a second factor is enrolled already' using errcode = '55000',
        hint
          = 'replace it with --recovery and one of your recovery codes, or ask an administrator for ward totp remove';
  end if;
  secret := tenancy.totp_new(who, (claims->>'sid')::uuid);
  perform audit.write(
    coalesce((claims->>'tid')::uuid, tenancy.installation()), 'configure', 'ok',
    jsonb_build_object('what', 'totp enroll', 'replaces', recovery is not null)::text
  );
  return jsonb_build_object(
    'secret', secret,
    'uri', format(
      'otpauth://totp/ward:%s?secret=%s&issuer=ward&algorithm=SHA1&digits=6&period=30',
      (select u.slug from tenancy.users u where u.id = who), secret
    )
  );
end $$;

grant execute on function tenancy.totp_enroll to ward_app, ward_reviewer;
