-- All accounts of one person, this one too.
create or replace function tenancy.accounts_of(who uuid)
  returns uuid[]
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    with recursive same(user_id) as (
      select who
      union
      select case when l.user_id = s.user_id then l.same_as else l.user_id end
      from same s join tenancy.account_link l on (l.user_id = s.user_id or l.same_as = s.user_id) and l.ended_at is null
    )
    select array_agg(user_id)
    from same
  );
end $$;

grant execute on function tenancy.accounts_of to ward_worker;
