create or replace function review.evidence_312b_tables(s review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select to_json(x)
  from (
    select p.record_table, p.protected_at, p.subject_column is not null as has_patient,
      array_to_string(p.open_columns, ' ') as open_columns,
      (
        select string_agg(r.kind, ' ' order by r.kind) from tenancy.relation r where r.record_table = p.record_table
      ) as explains
    from tenancy.phi_table p
    where p.protected_at <= (s).as_of
    order by p.record_table collate "C"
  ) x
$$;
