-- By when somebody must be notified of an anomaly and when they were, as details and lists show it.
create or replace function review.deadlines(anomaly review.anomaly)
  returns jsonb
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    jsonb_agg(
      jsonb_build_object('recipient', d.recipient, 'due_on', d.due_on, 'why', d.why, 'made_on', d.made_on)
      order by d.due_on, d.recipient
    ),
    '[]'
  )
  from review.notification_deadlines(anomaly) d
$$;
