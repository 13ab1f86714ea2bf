-- Lets a role do something with a protected table, or (allowed false) no longer.
create or replace function tenancy.allow_role(role text, record_table text, actions text[], allowed boolean)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  by_user uuid := tenancy.reviewer_of('configure', tenant => null);
  table_name text := tenancy.phi_table_named(record_table);
begin
  if not exists (select from tenancy.role r where r.name = allow_role.role) then
    raise exception 'there is no role "%"', role using errcode = '02000', hint = 'ward role list shows them';
  end if;
  if coalesce(cardinality(actions), 0) = 0 or not actions <@ array['view', 'create', 'modify', 'delete', 'export'] then
    raise exception 'the actions must be one or more of view, create, modify, delete and export'
      using errcode = '22023';
  end if;
  if allowed then
    insert into tenancy.permission select allow_role.role, table_name, unnest(actions) on conflict do nothing;
  else
    delete from tenancy.permission p
    where p.role = allow_role.role and p.record_table = table_name and p.action = any (actions);
  end if;
  perform audit.write(tenancy.installation(), 'configure', 'ok', jsonb_build_object(
    'what', case when allowed then 'role permit' else 'role forbid' end,
    'role', role, 'table', table_name, 'actions', actions
  )::text);
end $$;

grant execute on function tenancy.allow_role to ward_reviewer;
