-- A list of the review's: rules, runs (of rule arg, or of all), jobs (the worker's: not done, or dead), suppressions.
create or replace function review.browse_list(ask uuid, what text, arg text default null)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform tenancy.reviewer('browse');
  if what not in ('rules', 'runs', 'jobs', 'suppressions') then
    raise exception 'no list "%"', what using errcode = '22023';
  end if;
  perform tenancy.look(ask, 'list:' || what, 'browse', null, jsonb_strip_nulls(jsonb_build_object('of', arg)), null);
end $$;

grant execute on function review.browse_list to ward_reviewer;
