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
  now_at timestamptz;
  seen timestamptz;
  back interval;
  kid text;
begin
  select i.seen_at into seen from tenancy.instance i where i.one for update;
  now_at := clock_timestamp();
  if now_at >= seen - interval '5 seconds' or seen is null then
    update tenancy.instance i set seen_at = now_at where i.one and i.seen_at < now_at;
    return 0;
  end if;
  back := seen - now_at;
  -- rows that a client's open transaction holds are not waited for
  update tenancy.session s set expires_at = s.expires_at - back
  where s.session_id in (
    select free.session_id from tenancy.session free where free.revoked_at is null for no key update skip locked
  );
  update tenancy.users u set sessions_after = u.sessions_after - back where u.sessions_after is not null;
  update tenancy.reviewer_grant g set starts_at = g.starts_at - back, expires_at = g.expires_at - back
  where g.ended_at is null and g.expires_at is not null;
  update tenancy.service_secret ss set expires_at = ss.expires_at - back where ss.ended_at is null;
  update tenancy.refresh_token rt set issued_at = rt.issued_at - back, used_at = rt.used_at - back
  where rt.sha256 in (select free.sha256 from tenancy.refresh_token free for no key update skip locked);
  update tenancy.throttle th set level_at = th.level_at - back, until = th.until - back, forget_at = th.forget_at - back
  where th.key in (select free.key from tenancy.throttle free for no key update skip locked);
  update tenancy.attempt a set tried_at = a.tried_at - back
  where a.ticket in (select free.ticket from tenancy.attempt free for no key update skip locked);
  update tenancy.disclosure d set expires_at = d.expires_at - back;
  kid := tenancy.rotate_key(interval '0');
  update tenancy.instance i set seen_at = now_at where i.one;
  perform audit.write_as(
    tenancy.installation(),
    who => tenancy.worker(),
    session => null, membership => null, action => 'revoke', outcome => 'ok',
    detail => jsonb_build_object(
      'what', 'the server''s clock went back: every access token ends',
      'seconds', round(extract(epoch from back), 3), 'was', seen, 'kid', kid
    )::text
  );
  return extract(epoch from back);
end $$;

grant execute on function tenancy.tick to ward_worker;
