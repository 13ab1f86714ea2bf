-- Records a look at the breaches, closed as one or waiting for the second person, by date of discovery. year: the log
-- of 164.408(c) for that year, which is an export.
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
  if year not between 2009 and 2200 then
    raise exception 'the log of breaches is for a year from 2009 to 2200, not %', year using errcode = '22023';
  end if;
  select array_agg(breach.id order by breach.discovered_on, breach.id), jsonb_object_agg(breach.tenant_id, breach.ids)
  into found_ids, shown
  from (
    select a.id, a.discovered_on, a.tenant_id, jsonb_agg(a.id) over (partition by a.tenant_id) ids
    from review.anomaly a
    where a.disposition = 'breach' and (reach is null or a.tenant_id = any (reach))
      and (year is null or (a.state = 'closed' and extract(year from a.discovered_on) = year))
  ) breach;
  perform tenancy.look(
    ask => ask, what => 'breaches', action => action, shown => shown,
    filter => jsonb_strip_nulls(jsonb_build_object('year', year)),
    ids => coalesce(found_ids, '{}')
  );
end $$;

grant execute on function review.browse_breaches to ward_reviewer;
