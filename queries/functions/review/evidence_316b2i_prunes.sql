-- 164.316(b)(2)(i): months whose events were pruned from the database.
create or replace function review.evidence_316b2i_prunes(scope review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select to_json(line)
  from (
    select to_char(p.month, 'YYYY-MM') as month, p.at, p.rows, encode(p.digest, 'hex') as digest,
      array_to_string(p.parts, ' ') as parts, p.head_size as archive_log_size, p.request as request_event_id, p.event_id
    from audit.pruned p
    where p.at <= (scope).as_of and tenancy.installation() = any ((scope).tenants)
    order by p.month
  ) line
$$;
