-- Notes who cared for whom, from rows of [id, tenant, user, patient, from, to, author, void, known].
create or replace function tenancy.remember_relationships(target text, kind text, related jsonb)
  returns void
  language sql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
  insert into tenancy.relationship (
    record_table, record_id, kind, tenant_id, user_id, patient_id, from_at, to_at, author_id, void_at, known_at
  )
  select target, (x->>0)::uuid, remember_relationships.kind, (x->>1)::uuid, (x->>2)::uuid, (x->>3)::uuid,
    (x->>4)::timestamptz, (x->>5)::timestamptz, (x->>6)::uuid, (x->>7)::timestamptz,
    coalesce((x->>8)::timestamptz, clock_timestamp())
  from jsonb_array_elements(related) x
  where x->>2 is not null and x->>3 is not null and x->>4 is not null
  on conflict (record_id, record_table, kind, tenant_id) do nothing
$$;

grant execute on function tenancy.remember_relationships to ward_migrate;
