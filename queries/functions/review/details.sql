-- The details of the anomaly that review.open leased.
create or replace function review.details()
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  ask tenancy.disclosure := tenancy.the_ask('anomaly');
  anomaly review.anomaly;
begin
  select * into anomaly from review.anomaly a where a.id = ask.ids[1];
  return jsonb_build_object(
    'anomaly', (select to_jsonb(ar) from review.anomaly_row ar where ar.id = anomaly.id),
    'rule', (select r.front_matter from review.rule r where r.id = anomaly.rule_id),
    'evidence', coalesce((
      select jsonb_agg(jsonb_build_object(
        'event_id', shown.event_id, 'recorded_at', shown.recorded_at, 'at', shown.at, 'action', shown.action,
        'outcome', shown.outcome, 'record_table', shown.record_table, 'record_id', shown.record_id,
        'patient_id', shown.subject_id, 'session_id', shown.session_id, 'purpose', shown.purpose, 'seq', shown.seq
      ) order by shown.at, shown.event_id)
      from (
        select * from review.evidence ev where ev.anomaly_id = anomaly.id order by ev.at, ev.event_id limit 500
      ) shown
    ), '[]'),
    'notes', coalesce((
      select jsonb_agg(jsonb_build_object('by', u.slug, 'at', n.at, 'text', n.text) order by n.id)
      from review.note n join tenancy.users u on u.id = n.by_user
      where n.anomaly_id = anomaly.id
    ), '[]'),
    'history', coalesce((
      select jsonb_agg(jsonb_build_object(
        'version', tr.version, 'from', tr.from_state, 'to', tr.to_state, 'by', u.slug, 'at', tr.at, 'reason', tr.reason,
        'disposition', tr.disposition
      ) order by tr.version)
      from review.transition tr left join tenancy.users u on u.id = tr.by_user
      where tr.anomaly_id = anomaly.id
    ), '[]'),
    -- of the same time, a week around: what the person's other accesses were
    'explained', review.explained_for(
      anomaly.tenant_id, anomaly.actor_id, anomaly.first_at - interval '7 days', anomaly.last_at + interval '7 days'
    ),
    'closed_same_rule', (
      select count(*)
      from review.anomaly a
      where a.rule_id = anomaly.rule_id and a.tenant_id = anomaly.tenant_id and a.state = 'closed'
    ),
    'closed_same_actor', (
      select count(*) from review.anomaly a where a.actor_id = anomaly.actor_id and a.state = 'closed'
    ),
    'dispositions', review.dispositions(anomaly.tier)
  ) || review.casework(anomaly);
end $$;

grant execute on function review.details to ward_reviewer;
