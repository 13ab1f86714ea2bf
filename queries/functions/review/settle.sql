-- Follows up a change of state: works out the dates anew, sets the day on which an undetermined anomaly comes back,
-- and links a duplicate with the anomaly that it was merged into.
create or replace function review.settle(anomaly uuid, who uuid)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  the_anomaly review.anomaly;
  original review.anomaly;
begin
  select * into the_anomaly from review.anomaly a where a.id = anomaly;
  update review.anomaly a
  set due_on = review.next_deadline(the_anomaly),
    review_on = case
      when the_anomaly.state = 'closed' and the_anomaly.disposition = 'undetermined' then (
        select dv.value::date
        from review.disposition_value dv
        where dv.anomaly_id = the_anomaly.id and dv.version = the_anomaly.closed_version and dv.field = 'review_on'
      )
    end
  where a.id = the_anomaly.id;
  if the_anomaly.state = 'merged' then
    select * into original
    from review.anomaly a
    where a.id = (
      select dv.value::uuid
      from review.disposition_value dv
      where dv.anomaly_id = the_anomaly.id and dv.version = the_anomaly.closed_version and dv.field = 'duplicate_of'
    )
    for update;
    if original.state = 'merged' then
      raise exception 'the anomaly that this one duplicates was merged itself meanwhile'
        using errcode = '55000', hint = 'name the anomaly that it was merged into';
    end if;
    insert into review.link (anomaly_id, other_id, kind, reason, by_user)
    values (the_anomaly.id, original.id, 'duplicate', the_anomaly.close_reason, who) on conflict do nothing;
  end if;
end $$;
