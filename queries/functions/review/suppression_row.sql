create or replace function review.suppression_row(s review.suppression)
  returns jsonb
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'id', s.id, 'rule_id', s.rule_id, 'tier', s.tier, 'tenant_id', s.tenant_id, 'tenant', t.slug, 'actor', a.slug,
    'patient_id', s.patient_id, 'record_id', s.record_id, 'action', s.action, 'reason', s.reason, 'ticket', s.ticket,
    'created_by', c.slug, 'created_at', s.created_at, 'approved_by', p.slug, 'approved_at', s.approved_at,
    'starts_at', s.starts_at, 'expires_at', s.expires_at, 'ended_by', e.slug, 'ended_at', s.ended_at,
    'renews', s.renews, 'hits', s.hits, 'last_hit_at', s.last_hit_at, 'state', review.suppression_state(s)
  )
  from tenancy.tenant t
    join tenancy.users c on c.id = s.created_by
    left join tenancy.users a on a.id = s.actor_id
    left join tenancy.users p on p.id = s.approved_by
    left join tenancy.users e on e.id = s.ended_by
  where t.id = s.tenant_id
$$;
