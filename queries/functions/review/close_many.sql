-- Closes up to 50 anomalies of one rule and one clinic with one disposition that permits it, none of them of tier A:
-- new ones and the reviewer's own. All are closed or none. items: [{"id", "version"}]; expected: how many the reviewer
-- says they are. Each has an event and a transition of its own, which share the batch.
create or replace function review.close_many(
  batch uuid, items jsonb, expected int, disposition text, reason text, fields jsonb default '{}'
)
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  who uuid := tenancy.reviewer('close');
  number int := jsonb_array_length(items);
  item record;
  anomaly review.anomaly;
  first review.anomaly;
begin
  if number not between 1 and 50 then
    raise exception 'one closing takes 1 to 50 anomalies, not %', number using errcode = '22023';
  end if;
  if number is distinct from expected
    or number <> (select count(distinct entry->>'id') from jsonb_array_elements(items) entry)
  then
    raise exception 'these are % anomalies, not %: nothing was closed',
      (select count(distinct entry->>'id') from jsonb_array_elements(items) entry), coalesce(expected, 0)
      using errcode = '22023';
  end if;
  if batch is null then raise exception 'a batch needs an id: choose a random uuid' using errcode = '22004'; end if;
  if exists (select from review.disposition d where d.name = close_many.disposition and not d.bulk) then
    raise exception 'anomalies are closed as % one at a time, not together', disposition using errcode = '22023';
  end if;
  -- What they are together is judged before what each is, so that the answer does not hang on the order of random ids.
  for item in select entry->>'id' as id from jsonb_array_elements(items) entry order by 1 loop
    anomaly := review.anomaly_within(item.id, 'close');
    if first.id is null then first := anomaly; end if;
    if (anomaly.rule_id, anomaly.tenant_id) is distinct from (first.rule_id, first.tenant_id) then
      raise exception 'anomalies closed together are of one rule and one clinic' using errcode = '22023';
    end if;
  end loop;
  if first.tier = 'A' then
    raise exception 'an anomaly of tier A is closed by itself, not together with others' using errcode = '22023';
  end if;
  for item in
    select entry->>'id' as id, (entry->>'version')::int as version
    from jsonb_array_elements(items) entry
    order by 1
  loop
    anomaly := review.anomaly_within(item.id, 'close');
    if anomaly.state not in ('new', 'claimed', 'in_review', 'waiting_info') then
      raise exception 'anomaly % is %: nothing was closed', left(anomaly.id::text, 8), anomaly.state
        using errcode = '55000';
    end if;
    if anomaly.assigned_to <> who and anomaly.state <> 'new' then
      raise exception 'anomaly % is %''s: nothing was closed',
        left(anomaly.id::text, 8), tenancy.slug_of(anomaly.assigned_to)
        using errcode = 'WARD3';
    end if;
    perform review.locked_at_version(anomaly.id, item.version);
    update review.anomaly a set assigned_to = who where a.id = anomaly.id;
    return next review.close_anomaly(
      anomaly => anomaly, expected_version => item.version, disposition => disposition, reason => reason,
      fields => fields, who => who, extra => jsonb_build_object('batch_id', batch)
    );
  end loop;
end $$;

grant execute on function review.close_many to ward_reviewer;
