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
  with h as (
    select a.day, a.patients
    from review.activity a
    where a.tenant_id = usual.tenant
      and a.user_id = usual.who
      and a.day < usual.before
      and a.day >= usual.before - usual.days
  ),
  m as (select percentile_cont(0.5) within group (order by h.patients) as median from h)
  select max(m.median),
    percentile_cont(0.5) within group (order by abs(h.patients - m.median)),
    count(*), jsonb_agg(h.patients order by h.day)
  from h, m
$$;

grant execute on function review.usual to ward_rule, ward_worker;
