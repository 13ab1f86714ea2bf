-- Enters the job that lets a worker verify a part.
create or replace function audit.enter_part(verification uuid, path text)
  returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  insert into river.river_job (args, kind, max_attempts, queue, state)
  values (jsonb_build_object('verification', verification, 'path', path), 'verify_part', 3, 'parts', 'available');
end $$;
