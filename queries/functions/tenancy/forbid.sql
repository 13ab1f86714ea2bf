-- Takes away what permit gave: the next ask or write under that role is refused.
create or replace function tenancy.forbid(role text, record_table regclass, actions text[])
  returns void
  language sql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
  delete from tenancy.permission p
  where p.role = forbid.role and p.record_table = forbid.record_table::text and p.action = any (actions)
$$;

grant execute on function tenancy.forbid to ward_migrate;
