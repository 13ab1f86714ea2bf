-- Fills tenancy.record, and the relationships if the table has any, from the rows that are there already: ids only. Run
-- by the owner, for whom row security is lifted within this one transaction. It goes through the key in batches: an
-- array of all rows of a large table is more than PostgreSQL makes.
create or replace function tenancy.reindex(target regclass)
  returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  batch constant int := 10000;
  subject text;
  related record;
  strays bigint;
  tenants uuid[];
  ids uuid[];
  subjects uuid[];
  last int;
begin
  select subject_column into subject from tenancy.phi_table where record_table = target::text;
  execute format('alter table %s no force row level security', target);
  execute format(
    'select count(*) from %s x where not exists (select from tenancy.tenant n where n.id = x.tenant_id and n.kind = '
      '''clinic'')',
    target
  ) into strays;
  if strays > 0 then
    raise exception '% of % belong to no clinic that ward knows', format('%s row(s)', strays), target
      using errcode = '23503', hint = 'ward tenant list: make the clinic, or correct tenant_id of those rows';
  end if;
  loop
    execute format(
      'select array_agg(tenant_id order by tenant_id, id), array_agg(id order by tenant_id, id), '
        'array_agg(%s order by tenant_id, id) '
        'from (select * from %s where $1 is null or (tenant_id, id) > ($1, $2) order by tenant_id, id limit $3) x',
      coalesce(quote_ident(subject), 'null::uuid'), target
    ) into tenants, ids, subjects using tenants[last], ids[last], batch;
    last := array_length(ids, 1);
    exit when last is null;
    perform tenancy.remember_records(target::text, ids, tenants, subjects);
    for related in select * from tenancy.relation where record_table = target::text loop
      execute format(
        'select tenancy.remember_relationships(%L, %L, jsonb_agg(jsonb_build_array(id, tenant_id, %I, %I, %s, %s, %s, '
          '%s, %s))) from %s where (tenant_id, id) >= ($1, $2) and (tenant_id, id) <= ($3, $4)',
        target::text, related.kind, related.user_column, related.patient_column, quote_ident(related.from_column),
        coalesce(quote_ident(related.to_column), 'null'), coalesce(quote_ident(related.author_column), 'null'),
        coalesce(quote_ident(related.void_column), 'null'), coalesce(quote_ident(related.known_column), 'null'), target
      ) using tenants[1], ids[1], tenants[last], ids[last];
    end loop;
  end loop;
  execute format('alter table %s force row level security', target);
end $$;

grant execute on function tenancy.reindex to ward_migrate;
