-- Owner: ward_reader
-- Runs the search that was committed under the disclosure of this transaction, and writes a view event for each hit.
create or replace function audit.evaluate(
  record_table regclass, filter jsonb, ordering text default 'id', max_rows int default 50
)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  search jsonb;
  term jsonb;
  condition text := '';
  guard text;
  column_type regtype;
  ordered_by text := split_part(coalesce(ordering, 'id'), ' ', 1);
  subject text;
  ids uuid[];
  subjects uuid[];
  source text := record_table::text;
  patient uuid := (tenancy.claims()->>'pat')::uuid;
begin
  select asked.payload into search from tenancy.asked('find:' || record_table::text) asked;
  if not found then
    raise exception 'no committed search of %: audit.find(...), commit, then tenancy.begin(token, disclosure)',
      record_table
      using errcode = '42501';
  end if;
  if search - 'purpose' <> audit.search_terms(record_table::text, filter, ordering, max_rows) then
    raise exception 'this is not the search of % that was committed', record_table
      using errcode = '42501', hint = 'give audit.evaluate the filter, order and limit that audit.find was given';
  end if;
  for term in select * from jsonb_array_elements(filter) loop
    select a.atttypid::regtype into column_type
    from pg_attribute a
    where a.attrelid = record_table and a.attname = term->>'column' and a.attnum > 0 and not a.attisdropped;
    condition := condition || case term->>'op'
      when 'is_null' then format(' and %I is null', term->>'column')
      when 'starts_with' then format(' and starts_with(%I::text, %L)', term->>'column', term->>'value')
      else format(' and %I %s %L::%s', term->>'column', term->>'op', term->>'value', column_type) end;
  end loop;
  select pt.subject_column into subject from tenancy.phi_table pt where pt.record_table = evaluate.record_table::text;
  -- true of every row, and what lets the planner use the table's indexes (tenancy.unguarded)
  select string_agg(format(' and num_nulls(%I) <> 2', a.attname), '') into guard
  from pg_attribute a
  where a.attrelid = record_table
    and a.attnum > 0
    and not a.attisdropped
    and exists (
      select from pg_index i
      where (i.indrelid = record_table or i.indrelid in (select relid from pg_partition_tree(record_table)))
        and position(format('(num_nulls(%I) <> 2)', a.attname) in pg_get_expr(i.indpred, i.indrelid)) > 0
    );
  -- a portal identity searches its patient's records; OFFSET 0, so that neither time nor plan depends on whom else the
  -- filter would find
  if patient is not null then
    source := format(
      '(select * from %s where tenant_id = (select tenancy.tenant_id()) and %s%s offset 0) own',
      record_table, coalesce(format('%I = %L', subject, patient), 'false'), guard
    );
  else
    condition := condition || coalesce(guard, '');
  end if;
  execute format(
    'select array_agg(id order by n), array_agg(subject order by n) from (select id, %s as subject, row_number() '
      'over (order by %I %s, id) n from %s where tenant_id = (select tenancy.tenant_id())%s order by n limit %s) hit',
    coalesce(quote_ident(subject), 'null::uuid'), ordered_by,
    case when split_part(coalesce(ordering, ''), ' ', 2) = 'desc' then 'desc' else 'asc' end,
    source, condition, max_rows
  ) into ids, subjects;
  perform audit.found(record_table::text, coalesce(ids, '{}'), coalesce(subjects, '{}'), search->>'purpose');
exception
  -- the message of a failed cast or comparison would repeat the value
  when data_exception then
    raise exception 'a value of the filter does not fit the type of its column in %', record_table
      using errcode = '22023';
end $$;

grant execute on function audit.evaluate to ward_app;
