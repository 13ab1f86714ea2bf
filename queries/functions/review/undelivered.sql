-- An attempt failed; finally: it was the last one. Then the other targets are told, once a day, that this one is not
-- reached.
create or replace function review.undelivered(delivery uuid, why text, finally boolean)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  d review.delivery;
  n review.alert;
begin
  select * into d from review.delivery x where x.id = undelivered.delivery and x.state = 'waiting' for update;
  if not found then return; end if;
  d.attempts := d.attempts + 1;
  d.error := left(why, 200);
  if not finally then
    update review.delivery x set attempts = d.attempts, error = d.error where x.id = d.id;
    return;
  end if;
  update review.delivery x
  set state = 'failed', attempts = d.attempts, error = d.error, done_at = clock_timestamp(),
    event_id = review.delivery_event(d, 'failed')
  where x.id = d.id;
  select * into n from review.alert x where x.id = d.alert_id;
  if n.kind <> 'failing' then
    perform review.tell(
      'failing/' || d.target || '/' || core.today(), 'failing', tenancy.installation(), null, 'high',
      jsonb_build_object('what', d.target), d.target
    );
  end if;
end $$;

grant execute on function review.undelivered to ward_worker;
