-- 164.312(b): the rules that were in force at scope.as_of.
create or replace function review.evidence_312b_rules(scope review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select to_json(line)
  from (
    select newest.rule_id, newest.version, newest.front_matter->>'title' as title, newest.front_matter->>'tier' as tier,
      newest.front_matter->>'severity' as severity,
      (
        select string_agg(c, '; ' order by n)
        from jsonb_array_elements_text(newest.front_matter->'citations') with ordinality cited(c, n)
      ) as citations,
      newest.front_matter->>'every' as every, newest.missing = '{}' as enabled,
      array_to_string(newest.missing, ' ') as missing, newest.front_matter->>'description' as description,
      newest.front_matter->>'triage' as triage, newest.content_hash, newest.at as in_force_since,
      (
        select min(run.recorded_as)
        from review.run run
        where run.rule_id = newest.rule_id
          and run.content_hash = newest.content_hash
          and run.finished_at <= (scope).as_of
      ) as first_run_event_id
    from (
      select distinct on (rl.rule_id) rl.*
      from review.rule_log rl
      where rl.at <= (scope).as_of
      order by rl.rule_id, rl.id desc
    ) newest
    order by newest.rule_id collate "C"
  ) line
$$;
