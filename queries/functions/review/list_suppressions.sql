-- The suppressions within reach, those in force first.
create or replace function review.list_suppressions()
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare who uuid := tenancy.user_id();
begin
  perform tenancy.the_ask('list:suppressions');
  return query select review.suppression_row(s)
  from review.suppression s
  where tenancy.reaches(who, s.tenant_id, 'browse')
  order by s.ended_at is not null, s.expires_at desc, s.id limit 500;
end $$;

grant execute on function review.list_suppressions to ward_reviewer;
