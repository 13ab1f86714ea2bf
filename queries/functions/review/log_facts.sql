-- What the log says about factors (i) to (iii) of 164.402(2): tables, patients and records, who, and how often records
-- were shown, exported or denied.
create or replace function review.log_facts(anomaly review.anomaly)
  returns jsonb
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select jsonb_build_object(
      'events', count(*),
      'shown', count(*) filter (where ev.outcome = 'ok' and ev.action in ('view', 'export')),
      'exported', count(*) filter (where ev.outcome = 'ok' and ev.action = 'export'),
      'denied', count(*) filter (where ev.outcome = 'denied'), 'patients', count(distinct ev.subject_id),
      'records', count(distinct (ev.record_table, ev.record_id)) filter (where ev.record_id is not null),
      'tables', coalesce(jsonb_agg(distinct ev.record_table) filter (where ev.record_table is not null), '[]'),
      'sessions', count(distinct ev.session_id), 'first_at', min(ev.at), 'last_at', max(ev.at),
      'actor', tenancy.slug_of(anomaly.actor_id),
      'roles', coalesce((
        select jsonb_agg(distinct m.role)
        from tenancy.membership m
        where m.user_id = anomaly.actor_id and m.tenant_id = anomaly.tenant_id
      ), '[]')
    )
    from review.evidence ev
    where ev.anomaly_id = anomaly.id
  );
end $$;
