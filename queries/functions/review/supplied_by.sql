-- The event in which an entry of the log of links was made, and by whom; no row if no person made it.
create or replace function review.supplied_by(scope review.bundle_scope, entry review.person_link_log)
  returns table (event_id bigint, by_user text)
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select e.event_id, u.slug
  from audit.event e join audit.chain c on c.event_id = e.event_id left join tenancy.users u on u.id = e.user_id
  where e.xid = (entry).xid
    and e.tenant_id = (entry).tenant_id
    and e.action = 'configure'
    and e.detail::jsonb->>'what' = 'input supplied'
    and c.sealed_at <= (scope).as_of
  order by e.event_id limit 1
$$;
