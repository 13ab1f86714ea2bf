create or replace function review.list_suppressions()
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare who uuid := tenancy.user_id();
begin
  perform tenancy.the_ask('list:suppressions');
  return query select review.suppression_row(x)
  from review.suppression x
  where tenancy.reaches(who, x.tenant_id, 'browse')
  order by x.ended_at is not null, x.expires_at desc, x.id limit 500;
end $$;

grant execute on function review.list_suppressions to ward_reviewer;
