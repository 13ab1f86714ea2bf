create or replace function review.evidence_402_breaches(s review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$ select x from review.closed_as(s, 'breach') x $$;
