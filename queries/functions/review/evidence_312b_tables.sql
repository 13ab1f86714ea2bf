-- 164.312(b): the protected tables.
create or replace function review.evidence_312b_tables(scope review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select to_json(line)
  from (
    select pt.record_table, pt.protected_at, pt.subject_column is not null as has_patient,
      array_to_string(pt.open_columns, ' ') as open_columns,
      (
        select string_agg(r.kind, ' ' order by r.kind) from tenancy.relation r where r.record_table = pt.record_table
      ) as explains
    from tenancy.phi_table pt
    where pt.protected_at <= (scope).as_of
    order by pt.record_table collate "C"
  ) line
$$;
