-- What has come of parts: the outcomes of those that are through, and how many others a worker is at. A part whose
-- worker has not been seen for so long, or that no worker has been given, is handed out again, five times at most.
create or replace function audit.parts_checked(verification uuid, paths text[], silent interval)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare path text;
begin
  perform audit.verifying(verification);
  if silent < interval '5 seconds' then
    raise exception 'a part is handed out again after 5 seconds of silence at the earliest, not after %', silent
      using errcode = '22023';
  end if;
  update audit.part_check pc
  set finished_at = clock_timestamp(),
    outcome = jsonb_build_object('error', format('%s workers began to verify this part and none finished', pc.tries))
  where pc.verification = parts_checked.verification
    and pc.path = any (paths)
    and pc.outcome is null
    and pc.tries >= 5
    and pc.beat_at < clock_timestamp() - silent;
  for path in
    update audit.part_check pc set asked_at = clock_timestamp()
    where pc.verification = parts_checked.verification
      and pc.path = any (paths)
      and pc.outcome is null
      and greatest(pc.asked_at, pc.beat_at) < clock_timestamp() - silent
      and not exists (
        select from river.river_job job
        where job.kind = 'verify_part'
          and job.queue = 'parts'
          and job.state in ('available', 'pending', 'retryable', 'scheduled')
          and job.args = jsonb_build_object('verification', pc.verification, 'path', pc.path)
      )
    returning pc.path
  loop
    perform audit.enter_part(verification, path);
  end loop;
  return (
    select jsonb_build_object(
      'busy', count(*) filter (where pc.outcome is null and pc.beat_at > clock_timestamp() - silent),
      'done', coalesce(jsonb_object_agg(pc.path, pc.outcome) filter (where pc.outcome is not null), '{}')
    )
    from audit.part_check pc
    where pc.verification = parts_checked.verification and pc.path = any (paths)
  );
end $$;

grant execute on function audit.parts_checked to ward_reviewer;
