-- A new secret, which only this answer holds. The one before it goes on for the overlap, those before that end now: two
-- at most are valid. No overlap: the old ones are not trusted any more, so the account's sessions end too.
create or replace function tenancy.new_service_secret(
  who text, days int default 90, overlap interval default '24 hours'
)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  gate uuid := tenancy.reviewer('configure');
  account tenancy.users := tenancy.service_named(who);
  by_user uuid := tenancy.reviewer_of_service('configure', account.id);
  secret text := 'wardsvc_' || core.base64url(public.gen_random_bytes(32));
  made tenancy.service_secret;
  kept uuid;
  ended int := 0;
begin
  if days is null or days not between 1 and 366 then
    raise exception 'a secret must last between 1 and 366 days' using errcode = '22023';
  end if;
  if overlap is null or overlap < interval '0' or overlap > interval '7 days' then
    raise exception 'the overlap, for which the secret before stays valid, must lie between 0 and 7 days'
      using errcode = '22023';
  end if;
  perform from tenancy.users u where u.id = account.id for no key update;  -- two at once take turns
  if (select u.disabled_at from tenancy.users u where u.id = account.id) is not null then
    raise exception 'service account % is disabled', account.slug
      using errcode = '55000', hint = 'ward user enable comes first';
  end if;
  if overlap > interval '0' then
    select ss.id into kept
    from tenancy.service_secret ss
    where ss.user_id = account.id and ss.ended_at is null and ss.expires_at > clock_timestamp()
    order by ss.created_at desc limit 1;
  end if;
  update tenancy.service_secret ss set ended_at = clock_timestamp()
  where ss.user_id = account.id and ss.ended_at is null and ss.id is distinct from kept;
  update tenancy.service_secret ss set expires_at = least(ss.expires_at, clock_timestamp() + overlap)
  where ss.id = kept;
  if overlap = interval '0' then
    ended := tenancy.end_sessions(array(
      select s.session_id from tenancy.session s where s.user_id = account.id and s.revoked_at is null
    ), 'secret replaced at once');
  end if;
  insert into tenancy.service_secret (user_id, sha256, created_by, expires_at)
  values (account.id, sha256(convert_to(secret, 'utf8')), by_user, clock_timestamp() + days * interval '1 day')
  returning * into made;
  perform audit.write(tenancy.installation(), 'configure', 'ok', jsonb_build_object(
    'what', 'service secret', 'user', account.id, 'secret', made.id, 'expires_at', made.expires_at, 'before', kept,
    'sessions_ended', ended
  )::text);
  return jsonb_build_object(
    'id', made.id, 'user', account.slug, 'secret', secret, 'expires_at', made.expires_at,
    'before_until', (select ss.expires_at from tenancy.service_secret ss where ss.id = kept),
    'sessions_ended', ended
  );
end $$;

grant execute on function tenancy.new_service_secret to ward_reviewer;
