-- Counts a failure of weight 1. Weight 0, for a try within a delay, changes nothing and takes as long. Rows are taken
-- in one order, so that no two calls wait for each other.
create or replace function tenancy.count_failure(a tenancy.attempt, weight int)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  l record;
  n timestamptz := clock_timestamp();
  grown float8;
  t tenancy.throttle;
begin
  for l in
    select x.*, k.key
    from unnest(array['connection', 'name', 'source'], array[a.connection, a.name, a.source]) as k(kind, key)
      join tenancy.throttle_limit x on x.kind = k.kind
    where k.key is not null
    order by x.kind
  loop
    insert into tenancy.throttle values (l.key, l.kind, 0, n, n, n) on conflict (key) do nothing;
    select * into t from tenancy.throttle x where x.key = l.key for update;
    grown := greatest(0, t.level - extract(epoch from n - t.level_at) / extract(epoch from l.drain)) + weight;
    update tenancy.throttle x
    set level = grown, level_at = n, forget_at = greatest(x.until, n + grown * l.drain),
      until = case when weight = 0 then x.until else n + tenancy.throttle_delay(grown, l.free, l.longest) end
    where x.key = l.key;
  end loop;
  delete from tenancy.throttle
  where key in (select x.key from tenancy.throttle x where x.forget_at < n limit 100 for update skip locked);
end $$;
