-- Notes that a table is protected, and by which release's generator.
create or replace function tenancy.register(target text, subject text, open_columns text[], oracles text[]) returns void
  language sql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
  insert into tenancy.phi_table as p (record_table, subject_column, open_columns, oracles, generator)
  select target, subject, open_columns, oracles, r.generator
  from core.release r
  on conflict (record_table) do update
  set subject_column = excluded.subject_column, open_columns = excluded.open_columns, oracles = excluded.oracles,
    generator = excluded.generator
$$;

grant execute on function tenancy.register to ward_migrate;
