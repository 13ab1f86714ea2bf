-- A search as it is recorded: columns and operators as they are, values as keyed hashes. Refuses what the evaluation
-- would refuse, so that a committed ask can be evaluated.
create or replace function audit.search_terms(record_table text, filter jsonb, ordering text, max_rows int)
  returns jsonb
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  f jsonb;
  terms jsonb := '[]';
  col text := split_part(coalesce(ordering, 'id'), ' ', 1);
begin
  if jsonb_typeof(filter) is distinct from 'array' then
    raise exception 'a filter is a JSON array of {"column", "op", "value"}' using errcode = '22023';
  end if;
  if max_rows is null or max_rows not between 1 and 500 then
    raise exception 'a limit is 1 to 500' using errcode = '22023';
  end if;
  for f in
    select *
    from jsonb_array_elements(
      filter || jsonb_build_array(jsonb_build_object(
        'column', col, 'op', 'order', 'value', split_part(coalesce(ordering, 'id asc'), ' ', 2)
      ))
    )
  loop
    if not exists (
      select from pg_attribute a
      where a.attrelid = record_table::regclass and a.attnum > 0 and not a.attisdropped and a.attname = f->>'column'
    ) then
      raise exception 'no such column in % to search by', record_table using errcode = '42703';
    end if;
    if coalesce(f->>'op', '') not in ('=', '<', '<=', '>', '>=', 'starts_with', 'is_null', 'order') then
      raise exception 'an op is one of =, <, <=, >, >=, starts_with, is_null' using errcode = '22023';
    end if;
    if f->>'op' = 'order' then
      if f->>'value' not in ('', 'asc', 'desc') then
        raise exception 'an order is a column, then asc or desc' using errcode = '22023';
      end if;
      terms := terms || jsonb_build_array(f);
    else
      terms := terms || jsonb_build_array(jsonb_build_object(
        'column', f->>'column', 'op', f->>'op',
        'value', tenancy.fingerprint(concat_ws('|', record_table, f->>'column', f->>'value'))
      ));
    end if;
  end loop;
  return jsonb_build_object('where', terms, 'limit', max_rows);
end $$;

grant execute on function audit.search_terms to ward_reader;
