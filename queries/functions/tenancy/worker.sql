-- The service account of ward's own worker, under which the worker's events are written.
create or replace function tenancy.worker()
  returns uuid
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$ select u.id from tenancy.users u where u.slug = 'ward-worker' $$;
