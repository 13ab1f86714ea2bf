-- The memberships within reach, or those of the clinic that the look named.
create or replace function tenancy.list_members()
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  ask tenancy.disclosure := tenancy.the_ask('list:members');
  who uuid := tenancy.user_id();
begin
  return query select tenancy.member_row(m)
  from tenancy.membership m join tenancy.tenant t on t.id = m.tenant_id join tenancy.users u on u.id = m.user_id
  where (ask.tenant_id is null or m.tenant_id = ask.tenant_id) and tenancy.reaches(who, m.tenant_id, 'browse')
  order by m.terminated_at is not null, t.slug, u.slug;
end $$;

grant execute on function tenancy.list_members to ward_reviewer;
