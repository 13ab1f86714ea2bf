-- 164.308(a)(3)(ii)(C): changes of a member's role in the period.
create or replace function review.evidence_308a3iiC_roles(scope review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select to_json(line)
  from (
    select e.recorded_at as at, t.slug as tenant, u.slug as "user", m.role as from_role,
      e.detail::jsonb->>'role' as to_role, changer.slug as changed_by, m.reason, e.event_id
    from review.sealed_event e
      join tenancy.tenant t on t.id = e.tenant_id
      left join tenancy.users u on u.id = (e.detail::jsonb->>'user')::uuid
      left join tenancy.users changer on changer.id = e.user_id
      left join tenancy.membership m on m.id = (e.detail::jsonb->>'instead_of')::uuid
    where e.tenant_id = any ((scope).tenants)
      and e.action = 'configure'
      and e.source <> 'import'
      and e.outcome = 'ok'
      and e.detail::jsonb->>'what' = 'member add'
      and e.recorded_at >= (scope).from_at
      and e.recorded_at < (scope).to_at
      and e.sealed_at <= (scope).as_of
    order by e.recorded_at, e.event_id
  ) line
$$;
