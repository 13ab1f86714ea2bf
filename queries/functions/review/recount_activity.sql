-- Recounts the activity of the days from first to last from the events, mends what differs, and returns how many
-- (person, clinic, day) did. The worker does this at night.
create or replace function review.recount_activity(first date, last date)
  returns bigint
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off
  set random_page_cost = 1.1
  set jit = off
as $$
declare
  upto bigint;
  mended_days bigint;
begin
  select b.batch into upto from review.baseline b for update;
  with truth as materialized (
    select sa.tenant_id, sa.user_id, (sa.at at time zone 'UTC')::date as day, sa.patient_id, max(sa.role) as role,
      min(sa.at) as first_at, count(*)::int as accesses,
      (count(*) filter (where sa.action = 'export'))::int as exports,
      array_agg(review.hour_of(sa.at)) as hours
    from tenancy.tenant t join review.staff_access sa on sa.tenant_id = t.id
    where sa.batch <= upto and sa.recorded_at >= first and sa.at >= first and sa.at < last + 1
    group by 1, 2, 3, 4
  ),
  days as (
    select t.tenant_id, t.user_id, t.day, max(t.role) as role, count(*)::int as patients,
      sum(t.accesses)::int as accesses, sum(t.exports)::int as exports, max(hourly.hours) as hours
    from truth t
      join (
        select truth.tenant_id, truth.user_id, truth.day, review.by_hour(array_agg(hour)) as hours
        from truth, unnest(truth.hours) hour
        group by 1, 2, 3
      ) hourly using (tenant_id, user_id, day)
    group by 1, 2, 3
  ),
  wrong as (
    select tenant_id, user_id, day, d.role, coalesce(d.patients, 0) as patients, coalesce(d.accesses, 0) as accesses,
      coalesce(d.exports, 0) as exports, coalesce(d.hours, array_fill(0, array[24])) as hours
    from days d
      full join (select * from review.activity act where act.day between first and last) kept using (
        tenant_id, user_id, day
      )
    where (kept.patients, kept.accesses, kept.exports, kept.hours) is distinct from (
      d.patients, d.accesses, d.exports, d.hours
    )
      and not (d.patients is null and kept.accesses = 0)
  ),
  gone as (
    delete from review.activity_patient ap
    using wrong w
    where (ap.tenant_id, ap.user_id, ap.day) = (w.tenant_id, w.user_id, w.day)
      and not exists (
        select from truth t
        where (t.tenant_id, t.user_id, t.day, t.patient_id) = (ap.tenant_id, ap.user_id, ap.day, ap.patient_id)
      )
  ),
  seen as (
    insert into review.activity_patient as ap (tenant_id, user_id, day, patient_id, first_at, accesses, exports)
    select t.tenant_id, t.user_id, t.day, t.patient_id, t.first_at, t.accesses, t.exports
    from truth t join wrong w using (tenant_id, user_id, day)
    on conflict (tenant_id, user_id, day, patient_id) do update
    set first_at = excluded.first_at, accesses = excluded.accesses, exports = excluded.exports
  ),
  mended as (
    insert into review.activity as act (tenant_id, user_id, day, role, patients, accesses, exports, hours)
    select w.*
    from wrong w
    on conflict (tenant_id, user_id, day) do update
    set role = coalesce(excluded.role, act.role), patients = excluded.patients, accesses = excluded.accesses,
      exports = excluded.exports, hours = excluded.hours
    returning 1
  )
  select count(*) into mended_days
  from mended;
  return mended_days;
end $$;

grant execute on function review.recount_activity to ward_worker;
