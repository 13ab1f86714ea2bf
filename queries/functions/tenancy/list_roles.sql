-- The roles with their permissions, or the one asked for.
create or replace function tenancy.list_roles()
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  ask tenancy.disclosure := tenancy.the_ask('list:roles');
  who uuid := tenancy.user_id();
begin
  return query select jsonb_build_object(
    'name', r.name, 'note', r.note,
    'permissions', coalesce((
      select jsonb_agg(jsonb_build_object(
        'record_table', granted.record_table, 'actions', granted.actions
      ) order by granted.record_table)
      from (
        select p.record_table, array_agg(p.action order by p.action) as actions
        from tenancy.permission p
        where p.role = r.name
        group by p.record_table
      ) granted
    ), '[]'),
    'members', (
      select count(*)
      from tenancy.membership m
      where m.role = r.name and m.terminated_at is null and tenancy.reaches(who, m.tenant_id, 'browse')
    )
  )
  from tenancy.role r
  where ask.payload->>'of' is null or r.name = ask.payload->>'of'
  order by r.name;
end $$;

grant execute on function tenancy.list_roles to ward_reviewer;
