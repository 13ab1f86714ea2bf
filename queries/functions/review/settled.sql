-- The newest batch up to which everything was sealed at or before a time. Batches are sealed in order, so a search by
-- halves finds it: reading every row that has not settled would cost each run of a rule what two days hold.
create or replace function review.settled(at timestamptz, low bigint)
  returns bigint
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  high bigint;
  mid bigint;
  sealed record;
begin
  select max(batch) into high from audit.chain;
  while low < coalesce(high, 0) loop  -- everything up to low has settled, nothing after high has
    mid := low + (high - low + 1) / 2;
    select c.batch, c.sealed_at into sealed from audit.chain c where c.batch >= mid order by c.batch limit 1;
    if sealed.sealed_at <= at then
      low := sealed.batch;
    else
      high := mid - 1;
    end if;
  end loop;
  return low;
end $$;

grant execute on function review.settled to ward_worker;
