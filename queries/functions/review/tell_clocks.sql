-- Clocks under ten days, once, and once more when a clock has run out. Returns how many. Where nobody has decided
-- anything yet and the severity is medium or low, the digest counts it: a queue that nobody worked for seven weeks is
-- one matter, not a thousand.
create or replace function review.tell_clocks()
  returns int
  language sql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
  select count(review.tell(
    x.matter, 'clock', x.tenant_id, x.anomaly_id, 'critical',
    jsonb_build_object(
      'rule_id', x.rule_id, 'tier', x.tier, 'found_at', x.created_at, 'discovered_on', x.discovered_on,
      'due_on', x.due_on, 'days_left', x.due_on - core.today()
    )
  ))::int
  from (
    select c.*, a.rule_id, a.tier, a.created_at,
      case when c.due_on < core.today() then 'overdue/' else 'clock/' end || c.anomaly_id || '/' || c.due_on as matter
    from review.clock c join review.anomaly a on a.id = c.anomaly_id
    where c.due_on < core.today() + 10
      and (a.severity in ('critical', 'high') or a.state = 'escalated' or a.disposition = 'breach')
  ) x
  where not exists (select from review.alert n where n.matter = x.matter)
$$;

grant execute on function review.tell_clocks to ward_worker;
