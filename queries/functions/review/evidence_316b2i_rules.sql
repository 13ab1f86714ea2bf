-- 164.316(b)(2)(i): every version of every rule, and when it was in force.
create or replace function review.evidence_316b2i_rules(scope review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select to_json(line)
  from (
    select rl.rule_id, rl.version, rl.content_hash, rl.at as in_force_since,
      lead(rl.at) over (partition by rl.rule_id order by rl.id) as in_force_until,
      array_to_string(rl.missing, ' ') as missing, rl.front_matter::text as front_matter,
      (
        select min(run.recorded_as)
        from review.run run
        where run.rule_id = rl.rule_id and run.content_hash = rl.content_hash and run.finished_at <= (scope).as_of
      ) as first_run_event_id
    from review.rule_log rl
    where rl.at <= (scope).as_of
    order by rl.rule_id collate "C", rl.id
  ) line
$$;
