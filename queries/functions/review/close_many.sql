-- Closes up to 50 alike: one rule, one clinic, one disposition that permits it, none of tier A. items: [{"id",
-- "version"}], expected: how many the reviewer says they are. New ones and the reviewer's own; all or none. One event
-- and one transition each, which share the batch.
create or replace function review.close_many(
  batch uuid, items jsonb, expected int, disposition text, reason text, fields jsonb default '{}'
)
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  who uuid := tenancy.reviewer('close');
  n int := jsonb_array_length(items);
  x record;
  a review.anomaly;
  first review.anomaly;
begin
  if n not between 1 and 50 then
    raise exception 'one closing takes 1 to 50 anomalies, not %', n using errcode = '22023';
  end if;
  if n is distinct from expected or n <> (select count(distinct i->>'id') from jsonb_array_elements(items) i) then
    raise exception 'these are % anomalies, not %: nothing was closed',
      (select count(distinct i->>'id') from jsonb_array_elements(items) i), coalesce(expected, 0)
      using errcode = '22023';
  end if;
  if batch is null then raise exception 'a batch needs an id: choose a random uuid' using errcode = '22004'; end if;
  if exists (select from review.disposition d where d.name = close_many.disposition and not d.bulk) then
    raise exception '% is decided one anomaly at a time', disposition using errcode = '22023';
  end if;
  -- What they are together is judged before what each is, so that the answer does not hang on the order of random ids.
  for x in select i->>'id' as id from jsonb_array_elements(items) i order by 1 loop
    a := review.anomaly_within(x.id, 'close');
    if first.id is null then first := a; end if;
    if (a.rule_id, a.tenant_id) is distinct from (first.rule_id, first.tenant_id) then
      raise exception 'anomalies closed together are of one rule and one clinic' using errcode = '22023';
    end if;
  end loop;
  if first.tier = 'A' then raise exception 'an anomaly of tier A is decided by itself' using errcode = '22023'; end if;
  for x in select i->>'id' as id, (i->>'version')::int as version from jsonb_array_elements(items) i order by 1 loop
    a := review.anomaly_within(x.id, 'close');
    if a.state not in ('new', 'claimed', 'in_review', 'waiting_info') then
      raise exception 'anomaly % is %: nothing was closed', left(a.id::text, 8), a.state using errcode = '55000';
    end if;
    if a.assigned_to <> who and a.state <> 'new' then
      raise exception 'anomaly % is %''s: nothing was closed', left(a.id::text, 8), tenancy.slug_of(a.assigned_to)
        using errcode = 'WARD3';
    end if;
    perform review.locked_at_version(a.id, x.version);
    update review.anomaly y set assigned_to = who where y.id = a.id;
    return next review.close_anomaly(
      a, x.version, disposition, reason, fields, who, jsonb_build_object('batch_id', batch)
    );
  end loop;
end $$;

grant execute on function review.close_many to ward_reviewer;
