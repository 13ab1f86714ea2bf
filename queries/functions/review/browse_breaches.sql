-- Breaches (closed as one, or waiting for the second person) by the date of discovery; year: the log of 164.408(c),
-- which is an export.
create or replace function review.browse_breaches(ask uuid, year int default null)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  action text := case when year is null then 'browse' else 'export' end;
  who uuid := tenancy.reviewer(action);
  reach uuid[] := tenancy.reach(who, action);
  found_ids uuid[];
  shown jsonb;
begin
  if year not between 2009 and 2200 then raise exception 'a year like 2026' using errcode = '22023'; end if;
  select array_agg(x.id order by x.discovered_on, x.id), jsonb_object_agg(x.tenant_id, x.ids) into found_ids, shown
  from (
    select a.id, a.discovered_on, a.tenant_id, jsonb_agg(a.id) over (partition by a.tenant_id) ids
    from review.anomaly a
    where a.disposition = 'breach' and (reach is null or a.tenant_id = any (reach))
      and (year is null or (a.state = 'closed' and extract(year from a.discovered_on) = year))
  ) x;
  perform tenancy.look(
    ask, 'breaches', action, shown, jsonb_strip_nulls(jsonb_build_object('year', year)), coalesce(found_ids, '{}')
  );
end $$;

grant execute on function review.browse_breaches to ward_reviewer;
