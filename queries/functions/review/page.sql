-- The page that review.browse recorded, in its order.
create or replace function review.page()
  returns setof review.anomaly_row
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off
  set jit = off
as $$
declare
  k tenancy.disclosure := tenancy.the_ask('queue');
  reach uuid[] := tenancy.reach(k.user_id, 'browse');
begin
  return query select r.*
  from unnest(k.ids) with ordinality x(id, n) join review.anomaly_row r on r.id = x.id
  where reach is null or r.tenant_id = any (reach)
  order by x.n;
end $$;

grant execute on function review.page to ward_reviewer;
