-- Deliveries that wait and have no job that lives: River's are delivered by whichever worker takes them.
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
      select from river.river_job j
      where j.kind = 'alert'
        and j.args @> jsonb_build_object('delivery', d.id)
        and j.state not in ('completed', 'cancelled', 'discarded')
    )
  order by d.created_at limit most;
end $$;

grant execute on function review.due_deliveries to ward_worker;
