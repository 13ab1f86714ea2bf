create or replace function tenancy.on_relation()
  returns trigger
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  r tenancy.relation;
  j jsonb;
  tab text := coalesce(pg_partition_root(tg_relid), tg_relid)::regclass::text;
begin
  if tg_op = 'DELETE' then
    update tenancy.relationship set void_at = coalesce(void_at, clock_timestamp())
    where record_id = old.id and record_table = tab and tenant_id = old.tenant_id;
    return null;
  end if;
  select * into r from tenancy.relation where record_table = tab and kind = tg_argv[0];
  j := to_jsonb(new);
  if j->>r.user_column is null or j->>r.patient_column is null or j->>r.from_column is null then return null; end if;
  insert into tenancy.relationship as x (
    record_table, record_id, kind, tenant_id, user_id, patient_id, from_at, to_at, author_id, void_at, known_at
  )
  values (
    tab, new.id, r.kind, new.tenant_id, (j->>r.user_column)::uuid, (j->>r.patient_column)::uuid,
    (j->>r.from_column)::timestamptz, (j->>r.to_column)::timestamptz,
    coalesce((j->>r.author_column)::uuid, tenancy.user_id()), (j->>r.void_column)::timestamptz, clock_timestamp()
  ) on conflict (record_id, record_table, kind, tenant_id) do update
  set user_id = excluded.user_id, patient_id = excluded.patient_id, from_at = excluded.from_at, to_at = excluded.to_at,
    void_at = excluded.void_at;
  return null;
end $$;
