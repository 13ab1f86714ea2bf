-- A trigger of tenancy.relate: keeps tenancy.relationship, ids and times only. Argument: the kind.
create or replace function tenancy.on_relation()
  returns trigger
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  related tenancy.relation;
  fields jsonb;
  table_name text := coalesce(pg_partition_root(tg_relid), tg_relid)::regclass::text;
begin
  if tg_op = 'DELETE' then
    update tenancy.relationship set void_at = coalesce(void_at, clock_timestamp())
    where record_id = old.id and record_table = table_name and tenant_id = old.tenant_id;
    return null;
  end if;
  select * into related from tenancy.relation where record_table = table_name and kind = tg_argv[0];
  fields := to_jsonb(new);
  if fields->>related.user_column is null
    or fields->>related.patient_column is null
    or fields->>related.from_column is null
  then
    return null;
  end if;
  insert into tenancy.relationship (
    record_table, record_id, kind, tenant_id, user_id, patient_id, from_at, to_at, author_id, void_at, known_at
  )
  values (
    table_name, new.id, related.kind, new.tenant_id, (fields->>related.user_column)::uuid,
    (fields->>related.patient_column)::uuid, (fields->>related.from_column)::timestamptz,
    (fields->>related.to_column)::timestamptz,
    coalesce((fields->>related.author_column)::uuid, tenancy.user_id()),
    (fields->>related.void_column)::timestamptz, clock_timestamp()
  ) on conflict (record_id, record_table, kind, tenant_id) do update
  set user_id = excluded.user_id, patient_id = excluded.patient_id, from_at = excluded.from_at, to_at = excluded.to_at,
    void_at = excluded.void_at;
  return null;
end $$;
