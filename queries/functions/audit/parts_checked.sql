-- What has come of parts: the outcomes of those that are through, and how many others a worker is at. A part whose
-- worker has not been seen for so long, or that no worker has been given, is handed out again, five times at most.
create or replace function audit.parts_checked(verification uuid, paths text[], silent interval)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare p text;
begin
  perform audit.verifying(verification);
  if silent < interval '5 seconds' then
    raise exception 'a worker may be silent for 5 seconds' using errcode = '22023';
  end if;
  update audit.part_check c
  set finished_at = clock_timestamp(),
    outcome = jsonb_build_object('error', format('%s workers began on it and none came to its end', c.tries))
  where c.verification = parts_checked.verification
    and c.path = any (paths)
    and c.outcome is null
    and c.tries >= 5
    and c.beat_at < clock_timestamp() - silent;
  for p in
    update audit.part_check c set asked_at = clock_timestamp()
    where c.verification = parts_checked.verification
      and c.path = any (paths)
      and c.outcome is null
      and greatest(c.asked_at, c.beat_at) < clock_timestamp() - silent
      and not exists (
        select from river.river_job j
        where j.kind = 'verify_part'
          and j.queue = 'parts'
          and j.state in ('available', 'pending', 'retryable', 'scheduled')
          and j.args = jsonb_build_object('verification', c.verification, 'path', c.path)
      )
    returning c.path
  loop
    perform audit.enter_part(verification, p);
  end loop;
  return (
    select jsonb_build_object(
      'busy', count(*) filter (where c.outcome is null and c.beat_at > clock_timestamp() - silent),
      'done', coalesce(jsonb_object_agg(c.path, c.outcome) filter (where c.outcome is not null), '{}')
    )
    from audit.part_check c
    where c.verification = parts_checked.verification and c.path = any (paths)
  );
end $$;

grant execute on function audit.parts_checked to ward_reviewer;
