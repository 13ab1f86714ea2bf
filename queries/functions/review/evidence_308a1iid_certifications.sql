create or replace function review.evidence_308a1iiD_certifications(s review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select to_json(c)
  from review.certification_rows((s).who, (s).as_of) c
  where c.period_to > (s).from_at and c.period_from < (s).to_at
  order by c.certified_at, c.id
$$;
