create or replace function review.breaches()
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  k tenancy.disclosure := tenancy.the_ask('breaches');
  reach uuid[] := tenancy.reach(k.user_id, 'browse');
begin
  return query select review.breach_row(a)
  from unnest(k.ids) with ordinality x(id, n) join review.anomaly a on a.id = x.id
  where reach is null or a.tenant_id = any (reach)
  order by x.n;
end $$;

grant execute on function review.breaches to ward_reviewer;
