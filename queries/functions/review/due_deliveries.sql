-- Deliveries that wait and have no live job. Those with a job are delivered by whichever worker takes it.
create or replace function review.due_deliveries(most int)
  returns setof uuid
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  return query select d.id
  from review.delivery d
  where d.state = 'waiting'
    and not exists (
      select from river.river_job job
      where job.kind = 'alert'
        and job.args @> jsonb_build_object('delivery', d.id)
        and job.state not in ('completed', 'cancelled', 'discarded')
    )
  order by d.created_at limit most;
end $$;

grant execute on function review.due_deliveries to ward_worker;
