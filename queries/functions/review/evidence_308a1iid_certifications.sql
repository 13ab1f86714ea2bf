-- 164.308(a)(1)(ii)(D): certifications that overlap the period.
create or replace function review.evidence_308a1iiD_certifications(scope review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select to_json(c)
  from review.certification_rows((scope).who, (scope).as_of) c
  where c.period_to > (scope).from_at and c.period_from < (scope).to_at
  order by c.certified_at, c.id
$$;
