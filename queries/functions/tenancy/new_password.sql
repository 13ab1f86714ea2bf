-- The hash of a password that is good enough; raises where it is not.
create or replace function tenancy.new_password(password text)
  returns text
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if length(coalesce(password, '')) < 12 then
    raise exception 'the password is too short: it needs at least 12 characters' using errcode = '22023';
  end if;
  if octet_length(password) > 72 then
    raise exception 'the password is too long: it may have at most 72 bytes' using errcode = '22023';
  end if;
  if position(password in current_query()) > 0 then
    raise exception 'the password stood in the query text: send it as a bind parameter' using errcode = '22023';
  end if;
  return public.crypt(password, public.gen_salt('bf', 10));
end $$;
