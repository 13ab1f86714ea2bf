-- Notes the targets that a worker can reach, which it names again and again. targets: [{"name", "kind", "severity",
-- "digest"}].
create or replace function review.name_targets(targets jsonb)
  returns void
  language sql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
  insert into review.alert_target (name, kind, severity, digest)
  select named.name, named.kind, named.severity, named.digest
  from jsonb_to_recordset(targets) named (name text, kind text, severity text, digest boolean)
  order by named.name
  on conflict (name) do update
  set kind = excluded.kind, severity = excluded.severity, digest = excluded.digest, seen_at = clock_timestamp()
$$;

grant execute on function review.name_targets to ward_worker;
