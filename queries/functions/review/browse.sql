-- One page of the queue. filter: {"state": [..] (default: all that are open), "rule": prefix, "severity": [..],
-- "tenant": slug, "actor": slug, "mine": true, "due": days until somebody must be notified, at most, "ids": [..]
-- (whatever their state), "sort": "worst" (default), "due" (the legal clock) or "close" (the time to close it),
-- "after": id of the last one seen, "limit": n}.
create or replace function review.browse(ask uuid, filter jsonb default '{}')
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off
  set jit = off
as $$
declare
  claims jsonb := tenancy.claims();
  who uuid := tenancy.reviewer(action => 'browse', claims => claims);
  checked jsonb := coalesce(filter, '{}');
  condition text;
  first_columns text;
  ordering text;
  found_ids uuid[];
  tenants uuid[];
  shown jsonb;
  page_size int := coalesce((checked->>'limit')::int, 100);
  last_seen review.anomaly;
begin
  if page_size not between 1 and 500 then
    raise exception 'a page of the queue has 1 to 500 anomalies, not %', page_size using errcode = '22023';
  end if;
  select c.condition, c.first_columns into condition, first_columns from review.condition(checked, who) c;
  ordering := case coalesce(checked->>'sort', 'worst')
    when 'worst' then 'a.rank, a.created_at, a.id'
    when 'due' then 'a.due_on, a.rank, a.id'
    when 'close' then 'a.close_by, a.rank, a.id'
  end;
  if ordering is null then
    raise exception 'the queue is sorted by worst, due or close, not by "%"', checked->>'sort' using errcode = '22023';
  end if;
  ordering := concat_ws(', ', first_columns, ordering);
  if checked ? 'after' then
    select * into last_seen
    from review.anomaly a
    where a.id = (checked->>'after')::uuid and tenancy.reaches(who, a.tenant_id, 'browse');
    if not found then
      raise exception 'no anomaly "%" within your reach to continue after', checked->>'after' using errcode = '02000';
    end if;
    condition := condition
      || format(' and (%s) > (select %s from review.anomaly a where a.id = %L)', ordering, ordering, last_seen.id);
  end if;
  -- the simplest statement that does it, since it is planned each time
  execute format(
    'select array_agg(a.id), array_agg(a.tenant_id) from (select a.id, a.tenant_id from review.anomaly a where %1$s '
      'order by %2$s limit %3$s) a',
    condition, ordering, page_size
  ) into found_ids, tenants;
  select jsonb_object_agg(by_clinic.tenant, by_clinic.ids) into shown
  from (
    select listed.tenant, jsonb_agg(listed.id) as ids
    from unnest(tenants, found_ids) listed(tenant, id)
    group by listed.tenant
  ) by_clinic;
  perform tenancy.look(
    ask => ask, what => 'queue', action => 'browse', shown => shown, filter => checked,
    ids => coalesce(found_ids, '{}'), claims => claims
  );
end $$;

grant execute on function review.browse to ward_reviewer;
