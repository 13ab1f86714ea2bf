create or replace function tenancy.user_named(who text)
  returns uuid
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
declare u uuid;
begin
  select x.id into u from tenancy.users x where x.slug = who or x.id::text = who;
  if u is null then
    raise exception 'no user "%"', who using errcode = '02000', hint = 'ward user list shows them';
  end if;
  return u;
end $$;
