create or replace function tenancy.service_named(named text)
  returns tenancy.users
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
declare u tenancy.users;
begin
  select * into u
  from tenancy.users x
  where (x.slug = named or x.id::text = named) and x.kind = 'service' and x.slug <> 'ward-worker';
  if u.id is null then
    raise exception 'no service account "%"', named using errcode = '02000', hint = 'ward service list shows them';
  end if;
  return u;
end $$;
