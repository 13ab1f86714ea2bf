-- The breaches that review.browse_breaches recorded, in its order.
create or replace function review.breaches()
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  ask tenancy.disclosure := tenancy.the_ask('breaches');
  reach uuid[] := tenancy.reach(ask.user_id, 'browse');
begin
  return query select review.breach_row(a)
  from unnest(ask.ids) with ordinality shown(id, place) join review.anomaly a on a.id = shown.id
  where reach is null or a.tenant_id = any (reach)
  order by shown.place;
end $$;

grant execute on function review.breaches to ward_reviewer;
