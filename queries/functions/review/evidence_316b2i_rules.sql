create or replace function review.evidence_316b2i_rules(s review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select to_json(x)
  from (
    select l.rule_id, l.version, l.content_hash, l.at as in_force_since,
      lead(l.at) over (partition by l.rule_id order by l.id) as in_force_until,
      array_to_string(l.missing, ' ') as missing, l.front_matter::text as front_matter,
      (
        select min(r.recorded_as)
        from review.run r
        where r.rule_id = l.rule_id and r.content_hash = l.content_hash and r.finished_at <= (s).as_of
      ) as first_run_event_id
    from review.rule_log l
    where l.at <= (s).as_of
    order by l.rule_id collate "C", l.id
  ) x
$$;
