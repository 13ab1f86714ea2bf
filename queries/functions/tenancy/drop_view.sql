-- Owner: ward_reader
-- Drops the view that make_view made for a table.
create or replace function tenancy.drop_view(t regclass) returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  execute (
    select format('drop view if exists phi.%I',
      case when n.nspname = 'public' then '' else n.nspname || '_' end || c.relname)
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = t
  );
end $$;

grant execute on function tenancy.drop_view to ward_owner;
