-- A service account by short name or id; raises where there is none.
create or replace function tenancy.service_named(named text)
  returns tenancy.users
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
declare match tenancy.users;
begin
  select * into match
  from tenancy.users u
  where (u.slug = named or u.id::text = named) and u.kind = 'service' and u.slug <> 'ward-worker';
  if match.id is null then
    raise exception 'there is no service account "%"', named
      using errcode = '02000', hint = 'ward service list shows them';
  end if;
  return match;
end $$;
