-- The service accounts within reach, or the one asked for.
create or replace function tenancy.list_services()
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  ask tenancy.disclosure := tenancy.the_ask('list:services');
  who uuid := tenancy.user_id();
begin
  return query select tenancy.service_row(u, who)
  from tenancy.users u
  where u.kind = 'service'
    and u.slug <> 'ward-worker'
    and (ask.payload->>'of' is null or u.slug = ask.payload->>'of')
    and tenancy.sees_user(who, u.id)
  order by u.slug;
end $$;

grant execute on function tenancy.list_services to ward_reviewer;
