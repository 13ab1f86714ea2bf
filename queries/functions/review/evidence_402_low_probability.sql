create or replace function review.evidence_402_low_probability(s review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$ select x from review.closed_as(s, 'impermissible_low_probability') x $$;
