-- Opens a session for somebody who is proven, by whatever method: 'password', 'oidc' or 'secret'. Decides the place (a
-- reviewer's session has none; otherwise the clinic and role named, or the only clinic there is), writes the event and
-- mints the tokens. Never raises on a refusal: it would undo its own event.
create or replace function tenancy.open_session(
  u tenancy.users, audience text, tenant text, role text, method text, second_factor boolean default false
)
  returns tenancy.signed
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  t tenancy.tenant;
  m tenancy.membership;
  s tenancy.session;
  r tenancy.signed;
  why text;
  jti uuid := gen_random_uuid();
  ends timestamptz := clock_timestamp() + (select x.session from tenancy.setting x);
  places jsonb;
  n int;
begin
  if not tenancy.audience_allowed(audience) then
    why := 'the audience is another application''s, or none';
  elsif tenancy.clock_is_behind() then
    why := 'the server''s clock has gone back';
  elsif u.disabled_at is not null then
    why := 'user disabled';
  elsif audience = 'review' then
    why := case
      when u.kind <> 'human' then 'no human'
      when tenant is not null then 'a reviewer''s session names no clinic'
      when not tenancy.may_review(u.id) then 'no reviewer grant in force'
    end;
  else
    select count(distinct x.id),
      jsonb_agg(jsonb_build_object('tenant', x.slug, 'name', x.name, 'role', y.role) order by x.slug, y.started_at desc)
    into n, places
    from tenancy.membership y join tenancy.tenant x on x.id = y.tenant_id
    where y.user_id = u.id
      and y.terminated_at is null
      and x.kind = 'clinic'
      and x.region = tenancy.region_here()
      and (open_session.tenant is null or x.slug = open_session.tenant)
      and (open_session.role is null or y.role = open_session.role);
    if n = 0 then
      why := 'no such membership';
    elsif n > 1 then
      why := 'several clinics: one must be named';
      r.needs := 'tenant';
      r.choices := places;
    else
      select x.* into t from tenancy.tenant x where x.slug = places->0->>'tenant';
      select y.* into m
      from tenancy.membership y
      where y.tenant_id = t.id
        and y.user_id = u.id
        and y.terminated_at is null
        and (open_session.role is null or y.role = open_session.role)
      order by y.started_at desc limit 1;
      why := case when m.id is null then 'no such membership' end;
    end if;
  end if;
  if why is not null then
    r.reason := case
      when r.needs is null then tenancy.not_accepted()
      else 'this user works at several clinics: name one'
    end;
    perform audit.write_as(
      tenancy.installation(), u.id, null, null, 'sign_in', 'denied',
      jsonb_build_object('reason', why, 'method', method)::text
    );
    return r;
  end if;
  insert into tenancy.session (user_id, tenant_id, membership_id, aud, method, second_factor, issued, expires_at)
  values (u.id, t.id, m.id, audience, method, second_factor, array[jti], ends) returning * into s;
  perform audit.write_as(
    coalesce(s.tenant_id, tenancy.installation()), u.id, s.session_id, s.membership_id, 'sign_in', 'ok',
    jsonb_strip_nulls(jsonb_build_object(
      'aud', audience, 'method', method, 'second_factor', second_factor, 'role', m.role
    ))::text
  );
  select x.access_token, x.expires_at into r.access_token, r.expires_at from tenancy.mint(s, jti) x;
  r.refresh_token := tenancy.refresh_text(s.session_id, encode(public.gen_random_bytes(32), 'hex'));
  r.session_id := s.session_id;
  perform tenancy.keep_refresh(r.refresh_token, s.session_id);
  -- tokens of sessions that are over for sure: no session lasts longer than a day
  delete from tenancy.refresh_token
  where sha256 in (
    select x.sha256
    from tenancy.refresh_token x
    where x.issued_at < clock_timestamp() - interval '25 hours'
    order by x.issued_at limit 100 for update skip locked
  );
  return r;
end $$;
