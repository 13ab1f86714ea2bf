create or replace function review.details()
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  k tenancy.disclosure := tenancy.the_ask('anomaly');
  a review.anomaly;
begin
  select * into a from review.anomaly x where x.id = k.ids[1];
  return jsonb_build_object(
    'anomaly', (select to_jsonb(r) from review.anomaly_row r where r.id = a.id),
    'rule', (select r.front_matter from review.rule r where r.id = a.rule_id),
    'evidence', coalesce((
      select jsonb_agg(jsonb_build_object(
        'event_id', e.event_id, 'recorded_at', e.recorded_at, 'at', e.at, 'action', e.action, 'outcome', e.outcome,
        'record_table', e.record_table, 'record_id', e.record_id, 'patient_id', e.subject_id,
        'session_id', e.session_id, 'purpose', e.purpose, 'seq', e.seq
      ) order by e.at, e.event_id)
      from (select * from review.evidence e where e.anomaly_id = a.id order by e.at, e.event_id limit 500) e
    ), '[]'),
    'notes', coalesce((
      select jsonb_agg(jsonb_build_object('by', u.slug, 'at', n.at, 'text', n.text) order by n.id)
      from review.note n join tenancy.users u on u.id = n.by_user
      where n.anomaly_id = a.id
    ), '[]'),
    'history', coalesce((
      select jsonb_agg(jsonb_build_object(
        'version', t.version, 'from', t.from_state, 'to', t.to_state, 'by', u.slug, 'at', t.at, 'reason', t.reason,
        'disposition', t.disposition
      ) order by t.version)
      from review.transition t left join tenancy.users u on u.id = t.by_user
      where t.anomaly_id = a.id
    ), '[]'),
    -- of the same time, a week around: what the person's other accesses were
    'explained', review.explained_for(
      a.tenant_id, a.actor_id, a.first_at - interval '7 days', a.last_at + interval '7 days'
    ),
    'closed_same_rule', (
      select count(*)
      from review.anomaly x
      where x.rule_id = a.rule_id and x.tenant_id = a.tenant_id and x.state = 'closed'
    ),
    'closed_same_actor', (select count(*) from review.anomaly x where x.actor_id = a.actor_id and x.state = 'closed'),
    'dispositions', review.dispositions(a.tier)
  ) || review.casework(a);
end $$;

grant execute on function review.details to ward_reviewer;
