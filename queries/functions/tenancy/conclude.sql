-- What came of a try: the session, or the refusal with its event and its place in the throttle. fetched is false for
-- one whose answer nobody came for.
create or replace function tenancy.conclude(attempt tenancy.attempt, fetched boolean)
  returns tenancy.signed
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  person tenancy.users;
  answer tenancy.signed;
  why text;
  factor text;
  given boolean := false;
begin
  select * into person from tenancy.users where id = attempt.user_id;
  answer.reason := tenancy.not_accepted();
  if attempt.asked ? 'leaked' then
    why := 'secret_in_query: the password stood in the query text, where other sessions can see it: send it as a bind '
      'parameter, and change it';
    answer.reason := why;
  elsif not attempt.allowed then
    why := 'too_many_failures: a delay is running after failed sign-ins';
  elsif not attempt.held then
    why := case
      when person.id is null then 'unknown_user: there is no such user'
      else 'wrong_password: the password was wrong'
    end;
  elsif not fetched then
    why := 'never_fetched: nobody fetched the answer within a minute';
  elsif tenancy.second_factor(person.id, attempt.asked->>'audience', code => null) is not null then  -- one is demanded
    factor := case
      when attempt.asked ? 'code'
      then tenancy.second_factor(person.id, attempt.asked->>'audience', attempt.asked->>'code')
      else 'needed'
    end;
    given := factor is null;
    if not given then
      answer.needs := 'second_factor';
      why := tenancy.factor_missing(factor);
      answer.reason := why;
    end if;
  end if;
  if why is null then
    answer := tenancy.open_session(
      person, audience => attempt.asked->>'audience', tenant => attempt.asked->>'tenant',
      role => attempt.asked->>'role',
      method => case when person.kind = 'service' then 'secret' else 'password' end,
      second_factor => given
    );
  else
    perform tenancy.record_denial('sign_in', why, who => person.id);
  end if;
  if answer.session_id is not null then
    delete from tenancy.throttle where key = attempt.name;
  elsif answer.needs is null or factor = 'wrong' then
    perform tenancy.count_failure(
      attempt, case when attempt.allowed and (not attempt.held or fetched or attempt.asked ? 'code') then 1 else 0 end
    );
  end if;
  return answer;
end $$;
