-- The page of the queue that review.browse recorded, in its order.
create or replace function review.page()
  returns setof review.anomaly_row
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off
  set jit = off
as $$
declare
  ask tenancy.disclosure := tenancy.the_ask('queue');
  reach uuid[] := tenancy.reach(ask.user_id, 'browse');
begin
  return query select ar.*
  from unnest(ask.ids) with ordinality shown(id, place) join review.anomaly_row ar on ar.id = shown.id
  where reach is null or ar.tenant_id = any (reach)
  order by shown.place;
end $$;

grant execute on function review.page to ward_reviewer;
