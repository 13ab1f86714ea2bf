-- What the details of an anomaly show besides the anomaly itself, its evidence, notes and history.
create or replace function review.casework(anomaly review.anomaly)
  returns jsonb
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  return jsonb_build_object(
    'log_facts', review.log_facts(anomaly),
    'assessments', coalesce((
      select jsonb_agg(jsonb_build_object(
        'id', assessed.id, 'nature', assessed.nature, 'recipient', assessed.recipient, 'acquired', assessed.acquired,
        'mitigated', assessed.mitigated, 'outcome', assessed.outcome, 'facts', assessed.facts,
        'by', tenancy.slug_of(assessed.by_user), 'at', assessed.at
      ) order by assessed.id)
      from review.assessment assessed
      where assessed.anomaly_id = anomaly.id
    ), '[]'),
    'closing', coalesce((
      select jsonb_agg(jsonb_build_object('name', dv.field, 'value', dv.value) order by df.position)
      from review.disposition_value dv join review.disposition_field df using (disposition, field)
      where dv.anomaly_id = anomaly.id and dv.version = anomaly.closed_version
    ), '[]'),
    'deadlines', review.deadlines(anomaly),
    'discoveries', coalesce((
      select jsonb_agg(jsonb_build_object(
        'discovered_on', proposal.discovered_on, 'reason', proposal.reason, 'by', tenancy.slug_of(proposal.by_user),
        'at', proposal.at, 'accepted', answer.accepted, 'answer', answer.reason,
        'answered_by', case when answer.id is not null then tenancy.slug_of(answer.by_user) end
      ) order by proposal.id)
      from review.discovery proposal left join review.discovery answer on answer.answers = proposal.id
      where proposal.anomaly_id = anomaly.id and proposal.answers is null
    ), '[]'),
    'holds', coalesce((
      select jsonb_agg(jsonb_build_object(
        'until', lh.until, 'written', lh.written, 'official', lh.official, 'by', tenancy.slug_of(lh.by_user),
        'at', lh.at
      ) order by lh.id)
      from review.law_hold lh
      where lh.anomaly_id = anomaly.id
    ), '[]'),
    'notices', coalesce((
      select jsonb_agg(jsonb_build_object(
        'recipient', n.recipient, 'made_on', n.made_on, 'reference', n.reference, 'by', tenancy.slug_of(n.by_user),
        'at', n.at
      ) order by n.id)
      from review.notice n
      where n.anomaly_id = anomaly.id
    ), '[]'),
    'links', coalesce((
      select jsonb_agg(jsonb_build_object(
        'id', a.id,
        'kind', case
          when l.anomaly_id = anomaly.id then l.kind
          else case l.kind when 'duplicate' then 'merged_here' else l.kind end
        end,
        'state', a.state, 'rule_id', a.rule_id, 'reason', l.reason, 'by', tenancy.slug_of(l.by_user), 'at', l.at
      ) order by l.at)
      from review.link l
        join review.anomaly a on a.id = case when l.anomaly_id = anomaly.id then l.other_id else l.anomaly_id end
      where anomaly.id in (l.anomaly_id, l.other_id) and tenancy.reaches(tenancy.user_id(), a.tenant_id, 'browse')
    ), '[]'),
    'files', coalesce((
      select jsonb_agg(jsonb_build_object(
        'sha256', encode(att.sha256, 'hex'), 'name', att.name, 'bytes', att.bytes, 'by', tenancy.slug_of(att.by_user),
        'at', att.at
      ) order by att.at)
      from review.attachment att
      where att.anomaly_id = anomaly.id
    ), '[]')
  );
end $$;
