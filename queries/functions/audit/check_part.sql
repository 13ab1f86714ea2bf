-- Hands a part of the archive to the workers to be verified. Deletes what verifications kept that ended a week ago.
create or replace function audit.check_part(verification uuid, path text, task jsonb)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform audit.verifying(verification);
  if length(path) > 300 or octet_length(task::text) > 64 * 1024 * 1024 then
    raise exception
      'a part has a path of at most 300 characters and a task of at most 64 MiB, not % characters and % bytes',
      length(path), octet_length(task::text)
      using errcode = '22023';
  end if;
  delete from audit.part_check pc
  using audit.verification v
  where v.id = pc.verification and v.finished_at < clock_timestamp() - interval '7 days';
  insert into audit.part_check (verification, path, task)
  values (check_part.verification, check_part.path, check_part.task);
  update audit.verification v set by_workers = true where v.id = check_part.verification and not v.by_workers;
  perform audit.enter_part(verification, path);
end $$;

grant execute on function audit.check_part to ward_reviewer;
