-- Owner: ward_reader
-- Drops the view that make_view made for a table. target is the table's name, since the table may be gone.
create or replace function tenancy.drop_view(target text) returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  name text[] := parse_ident(target);
begin
  execute format('drop view if exists phi.%I', case when name[1] = 'public' then '' else name[1] || '_' end || name[2]);
end $$;

grant execute on function tenancy.drop_view to ward_owner;
