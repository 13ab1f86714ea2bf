-- What the log says to factors (i) to (iii): tables, patients and records, who, how often it was seen, exported,
-- denied.
create or replace function review.log_facts(a review.anomaly)
  returns jsonb
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select jsonb_build_object(
      'events', count(*),
      'shown', count(*) filter (where e.outcome = 'ok' and e.action in ('view', 'export')),
      'exported', count(*) filter (where e.outcome = 'ok' and e.action = 'export'),
      'denied', count(*) filter (where e.outcome = 'denied'), 'patients', count(distinct e.subject_id),
      'records', count(distinct (e.record_table, e.record_id)) filter (where e.record_id is not null),
      'tables', coalesce(jsonb_agg(distinct e.record_table) filter (where e.record_table is not null), '[]'),
      'sessions', count(distinct e.session_id), 'first_at', min(e.at), 'last_at', max(e.at),
      'actor', tenancy.slug_of(a.actor_id),
      'roles', coalesce((
        select jsonb_agg(distinct m.role)
        from tenancy.membership m
        where m.user_id = a.actor_id and m.tenant_id = a.tenant_id
      ), '[]')
    )
    from review.evidence e
    where e.anomaly_id = a.id
  );
end $$;
