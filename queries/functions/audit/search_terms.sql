-- A search as it is recorded: columns and operators as they are, values as keyed hashes. Refuses what the evaluation
-- would refuse, so that a committed ask can be evaluated.
create or replace function audit.search_terms(record_table text, filter jsonb, ordering text, max_rows int)
  returns jsonb
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  term jsonb;
  terms jsonb := '[]';
  ordered_by text := split_part(coalesce(ordering, 'id'), ' ', 1);
begin
  if jsonb_typeof(filter) is distinct from 'array' then
    raise exception 'the filter of a search is a JSON array of {"column", "op", "value"}' using errcode = '22023';
  end if;
  if max_rows is null or max_rows not between 1 and 500 then
    raise exception 'a search returns 1 to 500 records, not %', coalesce(max_rows, 0) using errcode = '22023';
  end if;
  for term in
    select *
    from jsonb_array_elements(
      filter || jsonb_build_array(jsonb_build_object(
        'column', ordered_by, 'op', 'order', 'value', split_part(coalesce(ordering, 'id asc'), ' ', 2)
      ))
    )
  loop
    if not exists (
      select from pg_attribute a
      where a.attrelid = record_table::regclass and a.attnum > 0 and not a.attisdropped and a.attname = term->>'column'
    ) then
      raise exception '% has no column of that name to search or order by', record_table using errcode = '42703';
    end if;
    if coalesce(term->>'op', '') not in ('=', '<', '<=', '>', '>=', 'starts_with', 'is_null', 'order') then
      raise exception 'a search compares with =, <, <=, >, >=, starts_with or is_null, and nothing else'
        using errcode = '22023';
    end if;
    if term->>'op' = 'order' then
      if term->>'value' not in ('', 'asc', 'desc') then
        raise exception 'a search is ordered by one column and asc or desc, as "name desc"' using errcode = '22023';
      end if;
      terms := terms || jsonb_build_array(term);
    else
      terms := terms || jsonb_build_array(jsonb_build_object(
        'column', term->>'column', 'op', term->>'op',
        'value', tenancy.fingerprint(concat_ws('|', record_table, term->>'column', term->>'value'))
      ));
    end if;
  end loop;
  return jsonb_build_object('where', terms, 'limit', max_rows);
end $$;

grant execute on function audit.search_terms to ward_reader;
