-- The newest batch of which everything was sealed at or before a time. Batches are sealed in order, so a search by
-- halves finds it: looking at every row that has not settled would cost a run of each rule what two days hold.
create or replace function review.settled(at timestamptz, low bigint)
  returns bigint
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  high bigint;
  mid bigint;
  c record;
begin
  select max(batch) into high from audit.chain;
  while low < coalesce(high, 0) loop  -- everything up to low has settled, nothing after high has
    mid := low + (high - low + 1) / 2;
    select x.batch, x.sealed_at into c from audit.chain x where x.batch >= mid order by x.batch limit 1;
    if c.sealed_at <= at then
      low := c.batch;
    else
      high := mid - 1;
    end if;
  end loop;
  return low;
end $$;

grant execute on function review.settled to ward_worker;
