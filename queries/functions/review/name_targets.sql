-- A worker names its targets, again and again. targets: [{"name", "kind", "severity", "digest"}]
create or replace function review.name_targets(targets jsonb)
  returns void
  language sql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
  insert into review.alert_target (name, kind, severity, digest)
  select x.name, x.kind, x.severity, x.digest
  from jsonb_to_recordset(targets) x (name text, kind text, severity text, digest boolean)
  order by x.name
  on conflict (name) do update
  set kind = excluded.kind, severity = excluded.severity, digest = excluded.digest, seen_at = clock_timestamp()
$$;

grant execute on function review.name_targets to ward_worker;
