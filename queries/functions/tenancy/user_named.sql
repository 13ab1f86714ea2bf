-- A user by short name or id; raises where there is none.
create or replace function tenancy.user_named(who text)
  returns uuid
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
declare match uuid;
begin
  select u.id into match from tenancy.users u where u.slug = who or u.id::text = who;
  if match is null then
    raise exception 'there is no user "%"', who using errcode = '02000', hint = 'ward user list shows them';
  end if;
  return match;
end $$;
