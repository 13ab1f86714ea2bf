create or replace function review.evidence_308a3iiC_roles(s review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select to_json(x)
  from (
    select e.recorded_at as at, t.slug as tenant, u.slug as "user", o.role as from_role,
      e.detail::jsonb->>'role' as to_role, b.slug as changed_by, o.reason, e.event_id
    from review.sealed_event e
      join tenancy.tenant t on t.id = e.tenant_id
      left join tenancy.users u on u.id = (e.detail::jsonb->>'user')::uuid
      left join tenancy.users b on b.id = e.user_id
      left join tenancy.membership o on o.id = (e.detail::jsonb->>'instead_of')::uuid
    where e.tenant_id = any ((s).tenants)
      and e.action = 'configure'
      and e.source <> 'import'
      and e.outcome = 'ok'
      and e.detail::jsonb->>'what' = 'member add'
      and e.recorded_at >= (s).from_at
      and e.recorded_at < (s).to_at
      and e.sealed_at <= (s).as_of
    order by e.recorded_at, e.event_id
  ) x
$$;
