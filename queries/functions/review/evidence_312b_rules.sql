create or replace function review.evidence_312b_rules(s review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select to_json(x)
  from (
    select l.rule_id, l.version, l.front_matter->>'title' as title, l.front_matter->>'tier' as tier,
      l.front_matter->>'severity' as severity,
      (
        select string_agg(c, '; ' order by n)
        from jsonb_array_elements_text(l.front_matter->'citations') with ordinality y(c, n)
      ) as citations,
      l.front_matter->>'every' as every, l.missing = '{}' as enabled, array_to_string(l.missing, ' ') as missing,
      l.front_matter->>'description' as description, l.front_matter->>'triage' as triage, l.content_hash,
      l.at as in_force_since,
      (
        select min(r.recorded_as)
        from review.run r
        where r.rule_id = l.rule_id and r.content_hash = l.content_hash and r.finished_at <= (s).as_of
      ) as first_run_event_id
    from (
      select distinct on (l.rule_id) l.* from review.rule_log l where l.at <= (s).as_of order by l.rule_id, l.id desc
    ) l
    order by l.rule_id collate "C"
  ) x
$$;
