create or replace function tenancy.identity_guard()
  returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if (new.issuer, new.subject, new.user_id) is distinct from (old.issuer, old.subject, old.user_id) then
    raise exception 'an identity stays the user''s whom it was first linked to' using errcode = '42501';
  end if;
  return new;
end $$;
