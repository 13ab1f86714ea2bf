-- Stores the answers of a closing. The database adds the date of discovery and the newest assessment, unless they are
-- given. An answer that is an anomaly may be the beginning of its id.
create or replace function review.fill(anomaly review.anomaly, version int, disposition text, fields jsonb, who uuid)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  answer record;
  unknown text;
  known jsonb;
begin
  if jsonb_typeof(fields) <> 'object' then
    raise exception 'the fields of a closing are a JSON object, not a JSON %', jsonb_typeof(fields)
      using errcode = '22023';
  end if;
  select string_agg(key, ', ' order by key) into unknown
  from jsonb_object_keys(fields) key
  where not exists (select from review.disposition_field df where df.disposition = fill.disposition and df.field = key);
  if unknown is not null then
    raise exception 'closing as % does not ask for %', disposition, unknown
      using errcode = '22023', hint = 'ward queue dispositions says what each asks for';
  end if;
  known := jsonb_build_object('discovered_on', anomaly.discovered_on);
  if not coalesce(fields ? 'unassessed', false) then
    known := known || coalesce((
      select jsonb_build_object('assessment', assessed.id::text)
      from review.assessment assessed
      where assessed.anomaly_id = anomaly.id
      order by assessed.id desc limit 1
    ), '{}');
  end if;
  for answer in
    select df.field, df.kind, coalesce(nullif(btrim(fields->>df.field), ''), known->>df.field) as value
    from review.disposition_field df
    where df.disposition = fill.disposition
    order by df.position
  loop
    continue when answer.value is null;
    if answer.kind = 'anomaly' then answer.value := (review.anomaly_within(answer.value, 'browse')).id::text; end if;
    insert into review.disposition_value (anomaly_id, version, disposition, field, value, by_user)
    values (anomaly.id, fill.version, fill.disposition, answer.field, answer.value, who);
  end loop;
end $$;
