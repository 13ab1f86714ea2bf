-- A person's own usual day at a clinic: the median number of different patients of the days before one on which they
-- worked, the median distance from it, and how many such days there are.
create or replace function review.usual(
  tenant uuid,
  who uuid,
  before date,
  days int,
  out median float8,
  out spread float8,
  out worked bigint,
  out counts jsonb
)
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  with worked_days as (
    select act.day, act.patients
    from review.activity act
    where act.tenant_id = usual.tenant
      and act.user_id = usual.who
      and act.day < usual.before
      and act.day >= usual.before - usual.days
  ),
  middle as (select percentile_cont(0.5) within group (order by worked_days.patients) as median from worked_days)
  select max(middle.median),
    percentile_cont(0.5) within group (order by abs(worked_days.patients - middle.median)),
    count(*), jsonb_agg(worked_days.patients order by worked_days.day)
  from worked_days, middle
$$;

grant execute on function review.usual to ward_rule, ward_worker;
