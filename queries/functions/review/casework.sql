-- What details have besides the anomaly, its evidence, notes and history.
create or replace function review.casework(a review.anomaly)
  returns jsonb
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  return jsonb_build_object(
    'log_facts', review.log_facts(a),
    'assessments', coalesce((
      select jsonb_agg(jsonb_build_object(
        'id', s.id, 'nature', s.nature, 'recipient', s.recipient, 'acquired', s.acquired, 'mitigated', s.mitigated,
        'outcome', s.outcome, 'facts', s.facts, 'by', tenancy.slug_of(s.by_user), 'at', s.at
      ) order by s.id)
      from review.assessment s
      where s.anomaly_id = a.id
    ), '[]'),
    'closing', coalesce((
      select jsonb_agg(jsonb_build_object('name', v.field, 'value', v.value) order by f.position)
      from review.disposition_value v join review.disposition_field f using (disposition, field)
      where v.anomaly_id = a.id and v.version = a.closed_version
    ), '[]'),
    'deadlines', coalesce((
      select jsonb_agg(jsonb_build_object(
        'recipient', d.recipient, 'due_on', d.due_on, 'why', d.why, 'made_on', d.made_on
      ) order by d.due_on, d.recipient)
      from review.notification_deadlines(a) d
    ), '[]'),
    'discoveries', coalesce((
      select jsonb_agg(jsonb_build_object(
        'discovered_on', d.discovered_on, 'reason', d.reason, 'by', tenancy.slug_of(d.by_user), 'at', d.at,
        'accepted', y.accepted, 'answer', y.reason,
        'answered_by', case when y.id is not null then tenancy.slug_of(y.by_user) end
      ) order by d.id)
      from review.discovery d left join review.discovery y on y.answers = d.id
      where d.anomaly_id = a.id and d.answers is null
    ), '[]'),
    'holds', coalesce((
      select jsonb_agg(jsonb_build_object(
        'until', h.until, 'written', h.written, 'official', h.official, 'by', tenancy.slug_of(h.by_user), 'at', h.at
      ) order by h.id)
      from review.law_hold h
      where h.anomaly_id = a.id
    ), '[]'),
    'notices', coalesce((
      select jsonb_agg(jsonb_build_object(
        'recipient', n.recipient, 'made_on', n.made_on, 'reference', n.reference, 'by', tenancy.slug_of(n.by_user),
        'at', n.at
      ) order by n.id)
      from review.notice n
      where n.anomaly_id = a.id
    ), '[]'),
    'links', coalesce((
      select jsonb_agg(jsonb_build_object(
        'id', o.id,
        'kind', case
          when l.anomaly_id = a.id then l.kind
          else case l.kind when 'duplicate' then 'merged_here' else l.kind end
        end,
        'state', o.state, 'rule_id', o.rule_id, 'reason', l.reason, 'by', tenancy.slug_of(l.by_user), 'at', l.at
      ) order by l.at)
      from review.link l
        join review.anomaly o on o.id = case when l.anomaly_id = a.id then l.other_id else l.anomaly_id end
      where a.id in (l.anomaly_id, l.other_id) and tenancy.reaches(tenancy.user_id(), o.tenant_id, 'browse')
    ), '[]'),
    'files', coalesce((
      select jsonb_agg(jsonb_build_object(
        'sha256', encode(f.sha256, 'hex'), 'name', f.name, 'bytes', f.bytes, 'by', tenancy.slug_of(f.by_user),
        'at', f.at
      ) order by f.at)
      from review.attachment f
      where f.anomaly_id = a.id
    ), '[]')
  );
end $$;
