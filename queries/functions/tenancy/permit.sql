-- Lets a role do something with a protected table, for the migrations of an application.
create or replace function tenancy.permit(role text, record_table regclass, actions text[])
  returns void
  language sql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
  insert into tenancy.permission select permit.role, permit.record_table::text, unnest(actions) on conflict do nothing
$$;

grant execute on function tenancy.permit to ward_migrate;
