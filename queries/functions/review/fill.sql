-- Stores the answers of a closing. What the database knows by itself needs not be given: the date of discovery and the
-- newest assessment. An anomaly is named by its beginning.
create or replace function review.fill(a review.anomaly, version int, disposition text, fields jsonb, who uuid)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  f record;
  unknown text;
  known jsonb;
begin
  if jsonb_typeof(fields) <> 'object' then raise exception 'fields are a JSON object' using errcode = '22023'; end if;
  select string_agg(k, ', ' order by k) into unknown
  from jsonb_object_keys(fields) k
  where not exists (select from review.disposition_field x where x.disposition = fill.disposition and x.field = k);
  if unknown is not null then
    raise exception '% does not ask for: %', disposition, unknown
      using errcode = '22023', hint = 'ward queue dispositions says what each asks for';
  end if;
  known := jsonb_build_object('discovered_on', a.discovered_on);
  if not coalesce(fields ? 'unassessed', false) then
    known := known || coalesce((
      select jsonb_build_object('assessment', s.id::text)
      from review.assessment s
      where s.anomaly_id = a.id
      order by s.id desc limit 1
    ), '{}');
  end if;
  for f in
    select x.field, x.kind, coalesce(nullif(btrim(fields->>x.field), ''), known->>x.field) as value
    from review.disposition_field x
    where x.disposition = fill.disposition
    order by x.position
  loop
    continue when f.value is null;
    if f.kind = 'anomaly' then f.value := (review.anomaly_within(f.value, 'browse')).id::text; end if;
    insert into review.disposition_value (anomaly_id, version, disposition, field, value, by_user)
    values (a.id, fill.version, fill.disposition, f.field, f.value, who);
  end loop;
end $$;
