-- 164.312(b): the rules that were in force at scope.as_of.
create or replace function review.evidence_312b_rules(scope review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select to_json(line)
  from (
    select r.rule_id, r.version, r.front_matter->>'title' as title, r.front_matter->>'tier' as tier,
      r.front_matter->>'severity' as severity,
      (
        select string_agg(cited.citation, '; ' order by cited.place)
        from jsonb_array_elements_text(r.front_matter->'citations') with ordinality cited(citation, place)
      ) as citations,
      r.front_matter->>'every' as every, r.missing = '{}' as enabled,
      array_to_string(r.missing, ' ') as missing, r.front_matter->>'description' as description,
      r.front_matter->>'triage' as triage, r.content_hash, r.at as in_force_since,
      (
        select min(run.recorded_as)
        from review.run run
        where run.rule_id = r.rule_id
          and run.content_hash = r.content_hash
          and run.finished_at <= (scope).as_of
      ) as first_run_event_id
    from review.rules_as_of(scope) r
    order by r.rule_id collate "C"
  ) line
$$;
