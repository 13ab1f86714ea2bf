-- A trigger: keeps the history of owner and disabling, for the rules.
create or replace function tenancy.log_user()
  returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  insert into tenancy.user_log (user_id, owner_id, disabled_at) values (new.id, new.owner_id, new.disabled_at);
  return null;
end $$;
