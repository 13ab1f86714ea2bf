-- The worker's answer to the reviewer's own request, or null until there is one. The request was recorded, so reading
-- its answer is no event.
create or replace function audit.answered(request bigint)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare who uuid := tenancy.reviewing();
begin
  return (
    select jsonb_build_object('state', a.state, 'report', a.report)
    from audit.answer a
      join river.river_job job on (job.args->>'event_id')::bigint = a.request and job.queue = 'archive'
    where a.request = answered.request and job.args->>'requested_by' = who::text
  );
end $$;

grant execute on function audit.answered to ward_reviewer;
