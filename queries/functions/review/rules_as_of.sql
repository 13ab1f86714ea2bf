-- The rules that were in force at scope.as_of: the newest entry of each in the log of rules.
create or replace function review.rules_as_of(scope review.bundle_scope)
  returns setof review.rule_log
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select distinct on (rl.rule_id) rl.*
  from review.rule_log rl
  where rl.at <= (scope).as_of
  order by rl.rule_id, rl.id desc
$$;
