-- The event by which a line of the log of links came about, and whose it is; none: no person wrote it.
create or replace function review.supplied_by(s review.bundle_scope, l review.person_link_log)
  returns table (event_id bigint, by_user text)
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select e.event_id, u.slug
  from audit.event e join audit.chain k on k.event_id = e.event_id left join tenancy.users u on u.id = e.user_id
  where e.xid = (l).xid
    and e.tenant_id = (l).tenant_id
    and e.action = 'configure'
    and e.detail::jsonb->>'what' = 'input supplied'
    and k.sealed_at <= (s).as_of
  order by e.event_id limit 1
$$;
