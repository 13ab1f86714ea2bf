-- A trigger: an identity belongs to the user whom it was first linked to.
create or replace function tenancy.identity_guard()
  returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if (new.issuer, new.subject, new.user_id) is distinct from (old.issuer, old.subject, old.user_id) then
    raise exception 'an identity cannot pass from one user to another: link another subject' using errcode = '42501';
  end if;
  return new;
end $$;
