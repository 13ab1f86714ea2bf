-- A suppression as lists show it.
create or replace function review.suppression_row(suppression review.suppression)
  returns jsonb
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'id', suppression.id, 'rule_id', suppression.rule_id, 'tier', suppression.tier, 'tenant_id', suppression.tenant_id,
    'tenant', t.slug, 'actor', u.slug, 'patient_id', suppression.patient_id, 'record_id', suppression.record_id,
    'action', suppression.action, 'reason', suppression.reason, 'ticket', suppression.ticket,
    'created_by', creator.slug, 'created_at', suppression.created_at, 'approved_by', approver.slug,
    'approved_at', suppression.approved_at, 'starts_at', suppression.starts_at, 'expires_at', suppression.expires_at,
    'ended_by', ender.slug, 'ended_at', suppression.ended_at, 'renews', suppression.renews, 'hits', suppression.hits,
    'last_hit_at', suppression.last_hit_at, 'state', review.suppression_state(suppression)
  )
  from tenancy.tenant t
    join tenancy.users creator on creator.id = suppression.created_by
    left join tenancy.users u on u.id = suppression.actor_id
    left join tenancy.users approver on approver.id = suppression.approved_by
    left join tenancy.users ender on ender.id = suppression.ended_by
  where t.id = suppression.tenant_id
$$;
