-- What became of the reviewer's own request: the answer to something recorded, hence no event of its own. done: the
-- worker is through with it.
create or replace function review.requested(event bigint)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare who uuid := tenancy.reviewer('browse');
begin
  return (
    select jsonb_build_object(
      'done', j.state in ('completed', 'cancelled', 'discarded'), 'state', j.state,
      'runs', coalesce((
        select jsonb_agg(jsonb_build_object(
          'rule_id', r.rule_id, 'matched', r.matched, 'created', r.created, 'merged', r.merged, 'status', r.status,
          'error', r.error
        ) order by r.rule_id)
        from review.run r
        where r.event_id = event
      ), '[]')
    )
    from river.river_job j
    where j.queue = 'requests' and (j.args->>'event_id')::bigint = event and j.args->>'requested_by' = who::text
  );
end $$;

grant execute on function review.requested to ward_reviewer;
