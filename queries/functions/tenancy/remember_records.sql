-- Notes whose records these ids are: clinic and subject, no contents.
create or replace function tenancy.remember_records(target text, ids uuid[], tenants uuid[], subjects uuid[])
  returns void
  language sql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
  insert into tenancy.record (record_table, record_id, tenant_id, subject_id)
  select target, id, tenant, subject
  from unnest(ids, tenants, subjects) as x(id, tenant, subject)
  on conflict (record_id, record_table, tenant_id) do update set subject_id = excluded.subject_id, deleted_at = null
$$;

grant execute on function tenancy.remember_records to ward_migrate;
