-- A user's short name; 'nobody' where there is none.
create or replace function tenancy.slug_of(who uuid)
  returns text
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  return coalesce((select u.slug from tenancy.users u where u.id = who), 'nobody');
end $$;
