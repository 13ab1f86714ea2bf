-- The nightly second look at the counts: recounts the days from first to last from the events, mends what differs, and
-- returns how many of (person, clinic, day) did.
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
  n bigint;
begin
  select b.batch into upto from review.baseline b for update;
  with truth as materialized (
    select a.tenant_id, a.user_id, (a.at at time zone 'UTC')::date as day, a.patient_id, max(a.role) as role,
      min(a.at) as first_at, count(*)::int as accesses,
      (count(*) filter (where a.action = 'export'))::int as exports,
      array_agg(review.hour_of(a.at)) as hours
    from tenancy.tenant t join review.staff_access a on a.tenant_id = t.id
    where a.batch <= upto and a.recorded_at >= first and a.at >= first and a.at < last + 1
    group by 1, 2, 3, 4
  ),
  days as (
    select t.tenant_id, t.user_id, t.day, max(t.role) as role, count(*)::int as patients,
      sum(t.accesses)::int as accesses, sum(t.exports)::int as exports, max(h.hours) as hours
    from truth t
      join (
        select u.tenant_id, u.user_id, u.day, review.by_hour(array_agg(hour)) as hours
        from truth u, unnest(u.hours) hour
        group by 1, 2, 3
      ) h using (tenant_id, user_id, day)
    group by 1, 2, 3
  ),
  wrong as (
    select tenant_id, user_id, day, d.role, coalesce(d.patients, 0) as patients, coalesce(d.accesses, 0) as accesses,
      coalesce(d.exports, 0) as exports, coalesce(d.hours, array_fill(0, array[24])) as hours
    from days d
      full join (select * from review.activity x where x.day between first and last) x using (tenant_id, user_id, day)
    where (x.patients, x.accesses, x.exports, x.hours) is distinct from (d.patients, d.accesses, d.exports, d.hours)
      and not (d.patients is null and x.accesses = 0)
  ),
  gone as (
    delete from review.activity_patient p
    using wrong w
    where (p.tenant_id, p.user_id, p.day) = (w.tenant_id, w.user_id, w.day)
      and not exists (
        select from truth t
        where (t.tenant_id, t.user_id, t.day, t.patient_id) = (p.tenant_id, p.user_id, p.day, p.patient_id)
      )
  ),
  seen as (
    insert into review.activity_patient as p (tenant_id, user_id, day, patient_id, first_at, accesses, exports)
    select t.tenant_id, t.user_id, t.day, t.patient_id, t.first_at, t.accesses, t.exports
    from truth t join wrong w using (tenant_id, user_id, day)
    on conflict (tenant_id, user_id, day, patient_id) do update
    set first_at = excluded.first_at, accesses = excluded.accesses, exports = excluded.exports
  ),
  mended as (
    insert into review.activity as x (tenant_id, user_id, day, role, patients, accesses, exports, hours)
    select w.*
    from wrong w
    on conflict (tenant_id, user_id, day) do update
    set role = coalesce(excluded.role, x.role), patients = excluded.patients, accesses = excluded.accesses,
      exports = excluded.exports, hours = excluded.hours
    returning 1
  )
  select count(*) into n
  from mended;
  return n;
end $$;

grant execute on function review.recount_activity to ward_worker;
