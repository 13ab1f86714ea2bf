-- The rules, with how many anomalies each has open.
create or replace function review.list_rules()
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform tenancy.the_ask('list:rules');
  return query select jsonb_build_object(
    'id', r.id, 'version', r.version, 'tier', r.tier, 'severity', r.severity, 'title', r.title, 'kind', r.kind,
    'own', r.own, 'enabled', r.missing = '{}', 'missing', r.missing, 'explained', r.explained, 'loaded_at', r.loaded_at,
    'content_hash', r.content_hash, 'front_matter', r.front_matter, 'last_run_at', r.last_run_at,
    'cursor_batch', r.cursor_batch,
    'open', (select count(*) from review.anomaly a where a.rule_id = r.id and a.open)
  )
  from review.rule r
  order by r.id;
end $$;

grant execute on function review.list_rules to ward_reviewer;
