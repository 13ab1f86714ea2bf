-- Notes the time, every second. Where the server's clock has gone back, by more than 5 seconds, tokens and sign-ins
-- have been refused since; now whatever ends by the clock is moved back by as much, so that what had ended stays so and
-- what was open has the time left that it had. The access tokens, whose ends are written in them, are worth nothing any
-- more: a refresh gives new ones. Codes of second factors stay used up until the clock is past them again. Returns by
-- how many seconds, 0 as a rule.
create or replace function tenancy.tick()
  returns float8
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  n timestamptz;
  seen timestamptz;
  back interval;
  kid text;
begin
  select i.seen_at into seen from tenancy.instance i where i.one for update;
  n := clock_timestamp();
  if n >= seen - interval '5 seconds' or seen is null then
    update tenancy.instance i set seen_at = n where i.one and i.seen_at < n;
    return 0;
  end if;
  back := seen - n;
  -- rows that a client's open transaction holds are not waited for
  update tenancy.session x set expires_at = x.expires_at - back
  where x.session_id in (
    select s.session_id from tenancy.session s where s.revoked_at is null for no key update skip locked
  );
  update tenancy.users x set sessions_after = x.sessions_after - back where x.sessions_after is not null;
  update tenancy.reviewer_grant x set starts_at = x.starts_at - back, expires_at = x.expires_at - back
  where x.ended_at is null and x.expires_at is not null;
  update tenancy.service_secret x set expires_at = x.expires_at - back where x.ended_at is null;
  update tenancy.refresh_token x set issued_at = x.issued_at - back, used_at = x.used_at - back
  where x.sha256 in (select r.sha256 from tenancy.refresh_token r for no key update skip locked);
  update tenancy.throttle x set level_at = x.level_at - back, until = x.until - back, forget_at = x.forget_at - back
  where x.key in (select t.key from tenancy.throttle t for no key update skip locked);
  update tenancy.attempt x set tried_at = x.tried_at - back
  where x.ticket in (select a.ticket from tenancy.attempt a for no key update skip locked);
  update tenancy.disclosure x set expires_at = x.expires_at - back;
  kid := tenancy.rotate_key(interval '0');
  update tenancy.instance i set seen_at = n where i.one;
  perform audit.write_as(
    tenancy.installation(),
    (select u.id from tenancy.users u where u.slug = 'ward-worker'),
    null, null, 'revoke', 'ok',
    jsonb_build_object(
      'what', 'the server''s clock went back: every access token ends',
      'seconds', round(extract(epoch from back), 3), 'was', seen, 'kid', kid
    )::text
  );
  return extract(epoch from back);
end $$;

grant execute on function tenancy.tick to ward_worker;
