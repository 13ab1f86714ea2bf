-- Counts the accesses in the batches after the last one that was counted, up to a given one, and returns how many they
-- are. A late event adds to the day on which it happened.
create or replace function review.advance_activity(upto bigint)
  returns bigint
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  set random_page_cost = 1.1
  set jit = off
as $$
declare
  done bigint;
  counted_events bigint;
begin
  select b.batch into done from review.baseline b for update;
  if upto <= done then return 0; end if;
  with fresh as materialized (
    select sa.tenant_id, sa.user_id, (sa.at at time zone 'UTC')::date as day, sa.patient_id, sa.role, sa.action, sa.at,
      review.hour_of(sa.at) as hour
    from review.staff_access sa
    where sa.batch > done and sa.batch <= upto
  ),
  seen as (
    insert into review.activity_patient as ap (tenant_id, user_id, day, patient_id, first_at, accesses, exports)
    select f.tenant_id, f.user_id, f.day, f.patient_id, min(f.at), count(*), count(*) filter (where f.action = 'export')
    from fresh f
    group by f.tenant_id, f.user_id, f.day, f.patient_id
    on conflict (tenant_id, user_id, day, patient_id) do update
    set first_at = least(ap.first_at, excluded.first_at), accesses = ap.accesses + excluded.accesses,
      exports = ap.exports + excluded.exports
    returning tenant_id, user_id, day, xmax = 0 as first
  ),
  counted as (  -- one pass over both, since a join of the two would be a loop here
    select f.tenant_id, f.user_id, f.day, f.role, 1 as accesses, (f.action = 'export')::int as exports, f.hour,
      0 as patients
    from fresh f
    union all
    select s.tenant_id, s.user_id, s.day, null, 0, 0, null, 1
    from seen s
    where s.first
  ),
  written as (
    insert into review.activity as act (tenant_id, user_id, day, role, patients, accesses, exports, hours)
    select c.tenant_id, c.user_id, c.day, max(c.role), sum(c.patients), sum(c.accesses), sum(c.exports),
      review.by_hour(array_agg(c.hour) filter (where c.hour is not null))
    from counted c
    group by c.tenant_id, c.user_id, c.day
    on conflict (tenant_id, user_id, day) do update
    set role = coalesce(excluded.role, act.role), patients = act.patients + excluded.patients,
      accesses = act.accesses + excluded.accesses, exports = act.exports + excluded.exports,
      hours = review.add_hours(act.hours, excluded.hours)
    returning accesses
  )
  select count(*) into counted_events
  from fresh
  where (select count(*) from written) >= 0;
  update review.baseline b set batch = upto;
  return counted_events;
end $$;

grant execute on function review.advance_activity to ward_worker;
