-- What came of a try: the session, or the refusal with its event and its place in the throttle. fetched is false for
-- one whose answer nobody came for.
create or replace function tenancy.conclude(a tenancy.attempt, fetched boolean)
  returns tenancy.signed
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  u tenancy.users;
  r tenancy.signed;
  why text;
  factor text;
  given boolean := false;
begin
  select * into u from tenancy.users where id = a.user_id;
  r.reason := tenancy.not_accepted();
  if a.asked ? 'leaked' then
    why := 'password stood in the query text';
    r.reason :=
      'the password stood in the query text, where other sessions can see it: send it as a bind parameter, and '
      'change it';
  elsif not a.allowed then
    why := 'too soon after failures';
  elsif not a.held then
    why := case when u.id is null then 'unknown user' else 'password' end;
  elsif not fetched then
    why := 'never fetched';
  elsif tenancy.second_factor(u.id, a.asked->>'audience', null) is not null then  -- one is demanded
    factor := case
      when a.asked ? 'code' then tenancy.second_factor(u.id, a.asked->>'audience', a.asked->>'code')
      else 'needed'
    end;
    given := factor is null;
    if not given then
      r.needs := 'second_factor';
      why := 'second factor ' || factor;
      r.reason := case factor
        when 'needed' then 'a second factor is needed'
        else 'the second factor was not accepted'
      end;
    end if;
  end if;
  if why is null then
    r := tenancy.open_session(
      u, a.asked->>'audience', a.asked->>'tenant', a.asked->>'role',
      case when u.kind = 'service' then 'secret' else 'password' end,
      given
    );
  else
    perform audit.write_as(
      tenancy.installation(), u.id, null, null, 'sign_in', 'denied', jsonb_build_object('reason', why)::text
    );
  end if;
  if r.session_id is not null then
    delete from tenancy.throttle where key = a.name;
  elsif r.needs is null or factor = 'wrong' then
    perform tenancy.count_failure(
      a, case when a.allowed and (not a.held or fetched or a.asked ? 'code') then 1 else 0 end
    );
  end if;
  return r;
end $$;
