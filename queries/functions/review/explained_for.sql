-- How many of a person's accesses at a clinic within a time were explained, by filter and reason: [{"filter", "title",
-- "reason", "accesses", "inherited"}].
create or replace function review.explained_for(tenant uuid, actor uuid, first timestamptz, last timestamptz)
  returns jsonb
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    jsonb_agg(
      jsonb_build_object(
        'filter', counted.filter, 'title', r.title, 'reason', counted.reason, 'accesses', counted.accesses,
        'inherited', counted.inherited
      ) order by counted.accesses desc, counted.filter, counted.reason
    ),
    '[]'
  )
  from (
    select ex.filter, ex.reason, count(*) as accesses, count(ex.inherited_from) as inherited from review.explanation ex
    where ex.tenant_id = tenant and ex.user_id = actor and ex.at between first and last group by ex.filter, ex.reason
  ) counted
    join review.rule r on r.id = counted.filter
$$;
