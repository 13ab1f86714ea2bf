-- How much of what somebody did at a clinic within a time was explained, by which filter: [{"filter", "title",
-- "reason", "accesses", "inherited"}].
create or replace function review.explained_for(tenant uuid, actor uuid, first timestamptz, last timestamptz)
  returns jsonb
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    jsonb_agg(
      jsonb_build_object(
        'filter', x.filter, 'title', r.title, 'reason', x.reason, 'accesses', x.accesses, 'inherited', x.inherited
      ) order by x.accesses desc, x.filter, x.reason
    ),
    '[]'
  )
  from (select e.filter, e.reason, count(*) as accesses, count(e.inherited_from) as inherited from review.explanation e
    where e.tenant_id = tenant and e.user_id = actor and e.at between first and last group by e.filter, e.reason) x
    join review.rule r on r.id = x.filter
$$;
