-- The rows of one list of the bundle that review.evidence_begin leased.
create or replace function review.evidence_rows(file text)
  returns setof json
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
  set timezone = 'UTC'
as $$
declare
  opened record;
  list text := 'evidence_' || lower(replace(file, '-', '_'));
begin
  select * into opened from review.the_bundle();
  if file !~ '^[0-9a-zA-Z-]+$' or to_regprocedure(format('review.%I(review.bundle_scope)', list)) is null then
    raise exception 'a bundle of evidence has no list "%"', file using errcode = '22023';
  end if;
  return query execute format('select * from review.%I($1)', list) using opened.scope;
end $$;

grant execute on function review.evidence_rows to ward_reviewer;
