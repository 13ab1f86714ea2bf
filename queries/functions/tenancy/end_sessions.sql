-- Ends sessions, and does not wait for one whose row an open transaction holds (tenancy.refresh locks it): a person
-- could otherwise keep their own end waiting for as long as they like. Of that one the next tenancy.begin is refused,
-- by what it looks up anyway: a membership or a person that has ended, else users.sessions_after, which ends the
-- person's other sessions too. An identity that is open meanwhile lasts its 60 seconds. refused_anyway: what has
-- ended is such a membership or person. Returns how many.
create or replace function tenancy.end_sessions(ids uuid[], why text, refused_anyway boolean default false)
  returns int
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare free uuid[];
begin
  select array_agg(unlocked.session_id) into free
  from (
    select s.session_id
    from tenancy.session s
    where s.session_id = any (ids) and s.revoked_at is null
    for no key update skip locked
  ) unlocked;
  update tenancy.session s set revoked_at = clock_timestamp(), revoke_reason = why where s.session_id = any (free);
  if cardinality(ids) > coalesce(cardinality(free), 0) and not refused_anyway then
    update tenancy.users u set sessions_after = clock_timestamp()
    where u.id in (
      select s.user_id
      from tenancy.session s
      where s.session_id = any (ids) and s.revoked_at is null and s.session_id <> all (coalesce(free, '{}'))
    );
  end if;
  return cardinality(ids);
end $$;
