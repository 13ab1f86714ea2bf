-- Says who has not read the events up to a batch, or null: events that were never looked at must not be pruned. A rule
-- that has not run for thirty days counts as retired.
create or replace function review.not_read(batch bigint)
  returns text
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
  select coalesce(audit.not_classified(batch), (
    select 'rules have not read this month yet: ' || string_agg(r.id, ', ' order by r.id)
    from review.rule r
    where r.missing = '{}'
      and r.kind <> 'watch'
      and r.cursor_batch < not_read.batch
      and (r.last_run_at is null or r.last_run_at > clock_timestamp() - interval '30 days')
  ))
$$;

grant execute on function review.not_read to ward_worker;
