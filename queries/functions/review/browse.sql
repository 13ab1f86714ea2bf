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
  c jsonb := tenancy.claims();
  who uuid := tenancy.reviewer('browse', null, c);
  f jsonb := coalesce(filter, '{}');
  cond text;
  lead text;
  ordering text;
  found_ids uuid[];
  tenants uuid[];
  shown jsonb;
  n int := coalesce((f->>'limit')::int, 100);
  p review.anomaly;
begin
  if n not between 1 and 500 then raise exception 'a page is 1 to 500 anomalies' using errcode = '22023'; end if;
  select x.cond, x.lead into cond, lead from review.condition(f, who) x;
  ordering := case coalesce(f->>'sort', 'worst')
    when 'worst' then 'a.rank, a.created_at, a.id'
    when 'due' then 'a.due_on, a.rank, a.id'
    when 'close' then 'a.close_by, a.rank, a.id'
  end;
  if ordering is null then raise exception 'the queue is sorted by worst, due or close' using errcode = '22023'; end if;
  ordering := concat_ws(', ', lead, ordering);
  if f ? 'after' then
    select * into p
    from review.anomaly a
    where a.id = (f->>'after')::uuid and tenancy.reaches(who, a.tenant_id, 'browse');
    if not found then
      raise exception 'no anomaly "%" within your reach to continue after', f->>'after' using errcode = '02000';
    end if;
    cond := cond || format(' and (%s) > (select %s from review.anomaly a where a.id = %L)', ordering, ordering, p.id);
  end if;
  -- the simplest statement that does it, since it is planned each time
  execute format(
    'select array_agg(a.id), array_agg(a.tenant_id) from (select a.id, a.tenant_id from review.anomaly a where %1$s '
      'order by %2$s limit %3$s) a',
    cond, ordering, n
  ) into found_ids, tenants;
  select jsonb_object_agg(x.tenant, x.ids) into shown
  from (select x.tenant, jsonb_agg(x.id) as ids from unnest(tenants, found_ids) x(tenant, id) group by x.tenant) x;
  perform tenancy.look(ask, 'queue', 'browse', shown, f, coalesce(found_ids, '{}'), null, c);
end $$;

grant execute on function review.browse to ward_reviewer;
