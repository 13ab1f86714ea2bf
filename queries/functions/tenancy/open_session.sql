-- Opens a session for somebody who is proven, by whatever method: 'password', 'oidc' or 'secret'. Decides the place (a
-- reviewer's session has none; otherwise the clinic and role named, or the only clinic there is), writes the event and
-- mints the tokens. Never raises on a refusal: it would undo its own event.
create or replace function tenancy.open_session(
  person tenancy.users, audience text, tenant text, role text, method text, second_factor boolean default false
)
  returns tenancy.signed
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  clinic tenancy.tenant;
  member tenancy.membership;
  opened tenancy.session;
  answer tenancy.signed;
  why text;
  jti uuid := gen_random_uuid();
  ends timestamptz := clock_timestamp() + (select setting.session from tenancy.setting setting);
  places jsonb;
  clinics int;
begin
  if not tenancy.audience_allowed(audience) then
    why := 'wrong_application: the audience is another application''s, or none';
  elsif tenancy.clock_is_behind() then
    why := 'clock_back: the clock of the server has gone back';
  elsif person.disabled_at is not null then
    why := 'user_disabled: this user is disabled';
  elsif audience = 'review' then
    why := case
      when person.kind <> 'human' then 'not_human: a service account does not review'
      when tenant is not null then 'clinic_named: a reviewer''s session names no clinic'
      when not tenancy.may_review(person.id) then 'no_grant: this user has no reviewer''s grant in force'
    end;
  else
    select count(distinct t.id),
      jsonb_agg(jsonb_build_object('tenant', t.slug, 'name', t.name, 'role', m.role) order by t.slug, m.started_at desc)
    into clinics, places
    from tenancy.membership m join tenancy.tenant t on t.id = m.tenant_id
    where m.user_id = person.id
      and m.terminated_at is null
      and t.kind = 'clinic'
      and t.region = tenancy.region_here()
      and (open_session.tenant is null or t.slug = open_session.tenant)
      and (open_session.role is null or m.role = open_session.role);
    if clinics = 0 then
      why := 'no_membership: this user has no such membership';
    elsif clinics > 1 then
      why := 'clinic_needed: this user works at several clinics: name one';
      answer.needs := 'tenant';
      answer.choices := places;
    else
      select t.* into clinic from tenancy.tenant t where t.slug = places->0->>'tenant';
      select m.* into member
      from tenancy.membership m
      where m.tenant_id = clinic.id
        and m.user_id = person.id
        and m.terminated_at is null
        and (open_session.role is null or m.role = open_session.role)
      order by m.started_at desc limit 1;
      why := case when member.id is null then 'no_membership: this user has no such membership' end;
    end if;
  end if;
  if why is not null then
    answer.reason := case when answer.needs is null then tenancy.not_accepted() else why end;
    perform tenancy.record_denial('sign_in', why, who => person.id, method => method);
    return answer;
  end if;
  insert into tenancy.session (user_id, tenant_id, membership_id, aud, method, second_factor, issued, expires_at)
  values (person.id, clinic.id, member.id, audience, method, second_factor, array[jti], ends) returning * into opened;
  perform audit.write_as(
    coalesce(opened.tenant_id, tenancy.installation()), who => person.id, session => opened.session_id,
    membership => opened.membership_id, action => 'sign_in', outcome => 'ok',
    detail => jsonb_strip_nulls(jsonb_build_object(
      'aud', audience, 'method', method, 'second_factor', second_factor, 'role', member.role
    ))::text
  );
  select minted.access_token, minted.expires_at into answer.access_token, answer.expires_at
  from tenancy.mint(opened, jti) minted;
  answer.refresh_token := tenancy.refresh_text(opened.session_id, encode(public.gen_random_bytes(32), 'hex'));
  answer.session_id := opened.session_id;
  perform tenancy.keep_refresh(answer.refresh_token, opened.session_id);
  -- tokens of sessions that are over for sure: no session lasts longer than a day
  delete from tenancy.refresh_token
  where sha256 in (
    select rt.sha256
    from tenancy.refresh_token rt
    where rt.issued_at < clock_timestamp() - interval '25 hours'
    order by rt.issued_at limit 100 for update skip locked
  );
  return answer;
end $$;
