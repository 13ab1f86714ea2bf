-- Enters alerts of clocks under ten days, and once more when a clock has run out; returns how many. Where nobody has
-- decided anything yet and the severity is medium or low, only the digest counts them: a queue that nobody worked for
-- seven weeks is one matter, not a thousand.
create or replace function review.tell_clocks()
  returns int
  language sql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
  select count(review.tell(
    matter => running.matter, kind => 'clock', tenant => running.tenant_id, anomaly => running.anomaly_id,
    severity => 'critical',
    content => jsonb_build_object(
      'rule_id', running.rule_id, 'tier', running.tier, 'found_at', running.created_at,
      'discovered_on', running.discovered_on, 'due_on', running.due_on, 'days_left', running.due_on - core.today()
    )
  ))::int
  from (
    select c.*, a.rule_id, a.tier, a.created_at,
      case when c.due_on < core.today() then 'overdue/' else 'clock/' end || c.anomaly_id || '/' || c.due_on as matter
    from review.clock c join review.anomaly a on a.id = c.anomaly_id
    where c.due_on < core.today() + 10
      and (a.severity in ('critical', 'high') or a.state = 'escalated' or a.disposition = 'breach')
  ) running
  where not exists (select from review.alert al where al.matter = running.matter)
$$;

grant execute on function review.tell_clocks to ward_worker;
