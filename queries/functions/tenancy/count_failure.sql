-- Counts a failure of weight 1. Weight 0, for a try within a delay, changes nothing and takes as long. Rows are taken
-- in one order, so that no two calls wait for each other.
create or replace function tenancy.count_failure(attempt tenancy.attempt, weight int)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  bound record;
  now_at timestamptz := clock_timestamp();
  grown float8;
  counter tenancy.throttle;
begin
  for bound in
    select tl.*, k.key
    from unnest(array['connection', 'name', 'source'], array[attempt.connection, attempt.name, attempt.source]) as k(
      kind, key
    )
      join tenancy.throttle_limit tl on tl.kind = k.kind
    where k.key is not null
    order by tl.kind
  loop
    insert into tenancy.throttle values (bound.key, bound.kind, 0, now_at, now_at, now_at) on conflict (key) do nothing;
    select * into counter from tenancy.throttle th where th.key = bound.key for update;
    grown := greatest(
      0, counter.level - extract(epoch from now_at - counter.level_at) / extract(epoch from bound.drain)
    ) + weight;
    update tenancy.throttle th
    set level = grown, level_at = now_at,
      forget_at = greatest(th.until, now_at + grown * bound.drain),
      until = case
        when weight = 0 then th.until
        else now_at + tenancy.throttle_delay(grown, bound.free, bound.longest)
      end
    where th.key = bound.key;
  end loop;
  delete from tenancy.throttle
  where key in (select th.key from tenancy.throttle th where th.forget_at < now_at limit 100 for update skip locked);
end $$;
