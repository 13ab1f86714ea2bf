-- The receiver has it. false: that was on record already.
create or replace function review.delivered(delivery uuid)
  returns boolean
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare d review.delivery;
begin
  select * into d from review.delivery x where x.id = delivered.delivery and x.state = 'waiting' for update;
  if not found then return false; end if;
  d.attempts := d.attempts + 1;
  update review.delivery x
  set state = 'delivered', attempts = d.attempts, error = null, done_at = clock_timestamp(),
    event_id = review.delivery_event(d, 'delivered')
  where x.id = d.id;
  return true;
end $$;

grant execute on function review.delivered to ward_worker;
