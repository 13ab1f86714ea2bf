-- Notes that an attempt to deliver failed. finally: it was the last one; then the other targets are told, once a day,
-- that this one is not reached.
create or replace function review.undelivered(delivery uuid, why text, finally boolean)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  the_delivery review.delivery;
  the_alert review.alert;
begin
  select * into the_delivery
  from review.delivery d
  where d.id = undelivered.delivery and d.state = 'waiting'
  for update;
  if not found then return; end if;
  the_delivery.attempts := the_delivery.attempts + 1;
  the_delivery.error := left(why, 200);
  if not finally then
    update review.delivery d set attempts = the_delivery.attempts, error = the_delivery.error
    where d.id = the_delivery.id;
    return;
  end if;
  update review.delivery d
  set state = 'failed', attempts = the_delivery.attempts, error = the_delivery.error, done_at = clock_timestamp(),
    event_id = review.delivery_event(the_delivery, 'failed')
  where d.id = the_delivery.id;
  select * into the_alert from review.alert al where al.id = the_delivery.alert_id;
  if the_alert.kind <> 'failing' then
    perform review.tell(
      matter => 'failing/' || the_delivery.target || '/' || core.today(),
      kind => 'failing', tenant => tenancy.installation(), anomaly => null, severity => 'high',
      content => jsonb_build_object('what', the_delivery.target), except_target => the_delivery.target
    );
  end if;
end $$;

grant execute on function review.undelivered to ward_worker;
