-- Makes the indexes that tenancy.unguarded names anew, as they should be, under the same names.
create or replace function tenancy.guard_indexes(target regclass, open text[] default null)
  returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  bad text;
  remedies text[];
  remedy text;
begin
  select string_agg(u.why, E'\n  ') filter (where u.remedy is null), array_agg(u.remedy) into bad, remedies
  from tenancy.unguarded(target, open) u;
  if bad is not null then
    raise exception
      E'%\n  a foreign key, a replica identity or NULLS NOT DISTINCT needs the index as it is: change that first', bad
      using errcode = '55000';
  end if;
  foreach remedy in array coalesce(remedies, '{}') loop execute remedy; end loop;
end $$;

grant execute on function tenancy.guard_indexes to ward_migrate;
