-- What a change of state makes of the clocks, of an undetermined one's return, and of the one that a duplicate is
-- merged into.
create or replace function review.settle(anomaly uuid, who uuid)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  a review.anomaly;
  target review.anomaly;
begin
  select * into a from review.anomaly x where x.id = anomaly;
  update review.anomaly x
  set due_on
      = coalesce((select min(d.due_on) from review.notification_deadlines(a) d where d.made_on is null), 'infinity'),
    review_on = case
      when a.state = 'closed' and a.disposition = 'undetermined' then (
        select v.value::date
        from review.disposition_value v
        where v.anomaly_id = a.id and v.version = a.closed_version and v.field = 'review_on'
      )
    end
  where x.id = a.id;
  if a.state = 'merged' then
    select * into target
    from review.anomaly x
    where x.id = (
      select v.value::uuid
      from review.disposition_value v
      where v.anomaly_id = a.id and v.version = a.closed_version and v.field = 'duplicate_of'
    )
    for update;
    if target.state = 'merged' then
      raise exception 'the other anomaly has been merged itself by now' using errcode = '55000';
    end if;
    insert into review.link (anomaly_id, other_id, kind, reason, by_user)
    values (a.id, target.id, 'duplicate', a.close_reason, who) on conflict do nothing;
  end if;
end $$;
