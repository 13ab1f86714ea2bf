-- Ends a membership: its live sessions are revoked, and every transaction that begins under it from now on is refused.
-- typed is the start of the person's user_id, at least six characters, as a check that the right person is meant.
create or replace function tenancy.terminate(membership text, typed text, reason text, ended_on date default null)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  member tenancy.membership := tenancy.membership_named(membership, 'terminate');
  who uuid := tenancy.user_id();
begin
  if member.terminated_at is not null then
    raise exception 'this membership was terminated at % UTC already',
      to_char(member.terminated_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI')
      using errcode = '55000';
  end if;
  if member.user_id = who then
    raise exception 'you cannot terminate your own membership: another administrator has to do it'
      using errcode = 'WARD2';
  end if;
  if length(coalesce(typed, '')) < 6 or not starts_with(member.user_id::text, lower(typed)) then
    raise exception 'what was typed is not the first six or more characters of the user id of this person'
      using errcode = '22023';
  end if;
  if ended_on > (clock_timestamp() at time zone 'UTC')::date + 1 then
    raise exception 'the end date lies in the future: terminate the membership on that day' using errcode = '22023';
  end if;
  return tenancy.close_membership(member, reason, ended_on);
end $$;

grant execute on function tenancy.terminate to ward_reviewer;
