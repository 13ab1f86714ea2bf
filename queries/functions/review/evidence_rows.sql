create or replace function review.evidence_rows(file text)
  returns setof json
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
  set timezone = 'UTC'
as $$
declare
  x record;
  f text := 'evidence_' || lower(replace(file, '-', '_'));
begin
  select * into x from review.the_bundle();
  if file !~ '^[0-9a-zA-Z-]+$' or to_regprocedure(format('review.%I(review.bundle_scope)', f)) is null then
    raise exception 'no list "%"', file using errcode = '22023';
  end if;
  return query execute format('select * from review.%I($1)', f) using x.s;
end $$;

grant execute on function review.evidence_rows to ward_reviewer;
