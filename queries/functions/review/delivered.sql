-- Notes that the receiver has a message. Returns false if that was on record already.
create or replace function review.delivered(delivery uuid)
  returns boolean
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare the_delivery review.delivery;
begin
  select * into the_delivery from review.delivery d where d.id = delivered.delivery and d.state = 'waiting' for update;
  if not found then return false; end if;
  the_delivery.attempts := the_delivery.attempts + 1;
  update review.delivery d
  set state = 'delivered', attempts = the_delivery.attempts, error = null, done_at = clock_timestamp(),
    event_id = review.delivery_event(the_delivery, 'delivered')
  where d.id = the_delivery.id;
  return true;
end $$;

grant execute on function review.delivered to ward_worker;
