-- Lets those who change who administers take turns. It comes before the question who may: of two who end each other,
-- the second one is nobody any more.
create or replace function tenancy.lock_administrators()
  returns void
  language sql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$ select pg_advisory_xact_lock(hashtext('ward administrators')) $$;
