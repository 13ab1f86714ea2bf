-- Records a look at one of the lists: rules, runs (of rule arg, or of all), jobs (the worker's, not done or dead),
-- suppressions.
create or replace function review.browse_list(ask uuid, what text, arg text default null)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform tenancy.reviewer('browse');
  if what not in ('rules', 'runs', 'jobs', 'suppressions') then
    raise exception 'there is no list "%" to browse', what
      using errcode = '22023', hint = 'the lists are rules, runs, jobs and suppressions';
  end if;
  perform tenancy.look(
    ask => ask, what => 'list:' || what, action => 'browse', shown => null,
    filter => jsonb_strip_nulls(jsonb_build_object('of', arg)), ids => null
  );
end $$;

grant execute on function review.browse_list to ward_reviewer;
