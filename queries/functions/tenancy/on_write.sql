-- Writes are audited in their own transaction. First argument: the column that names the patient, or ''.
create or replace function tenancy.on_write()
  returns trigger
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off
  set jit = off
as $$
declare
  done text := case tg_op when 'INSERT' then 'create' when 'UPDATE' then 'modify' else 'delete' end;
  -- a partition's rows are its table's
  table_name text := coalesce(pg_partition_root(tg_relid), tg_relid)::regclass::text;
  subject uuid;
  before uuid;  -- the subject of the row that an UPDATE changes
  claims jsonb := tenancy.claims();
begin
  if claims->>'tid' is null then
    perform tenancy.require(table_name, done, claims);  -- says so
  end if;
  if (claims->>'tid')::uuid is distinct from (case when tg_op = 'DELETE' then old.tenant_id else new.tenant_id end) then
    raise exception 'this row belongs to another clinic than this identity: write it under an identity of that clinic'
      using errcode = '42501';
  end if;
  if tg_argv[0] = 'id' then
    subject := case when tg_op = 'DELETE' then old.id else new.id end;
    before := case when tg_op = 'UPDATE' then old.id end;
  elsif tg_argv[0] <> '' then
    subject := (case when tg_op = 'DELETE' then to_jsonb(old) else to_jsonb(new) end->>tg_argv[0])::uuid;
    before := case when tg_op = 'UPDATE' then (to_jsonb(old)->>tg_argv[0])::uuid end;
  end if;
  insert into audit.event (
    tenant_id, user_id, actor_kind, session_id, membership_id, action, record_table, record_id, subject_id
  )
  select (claims->>'tid')::uuid, (claims->>'sub')::uuid, claims->>'kind', (claims->>'sid')::uuid,
    (claims->>'mid')::uuid, done, table_name, case when tg_op = 'DELETE' then old.id else new.id end, subject
  from tenancy.permission p
  where p.role = claims->>'role'
    and p.record_table = table_name
    and p.action = done
    and exists (select from tenancy.phi_table t where t.record_table = table_name);
  if not found then
    perform tenancy.require(table_name, done, claims);  -- says why
    raise exception 'the permission of % changed meanwhile: write again', table_name using errcode = '40001';
  end if;
  -- what a portal identity writes is about its patient, before and after
  if claims ? 'pat'
    and (subject is distinct from (claims->>'pat')::uuid or (tg_op = 'UPDATE' and before is distinct from subject))
  then
    raise exception 'this record belongs to another patient than this portal identity, which writes only its own'
      using errcode = '42501';
  end if;
  if tg_op = 'DELETE' then
    update tenancy.record set deleted_at = clock_timestamp()
    where record_id = old.id and record_table = table_name and tenant_id = old.tenant_id;
  elsif tg_op = 'INSERT'
    or old.id is distinct from new.id
    or old.tenant_id is distinct from new.tenant_id
    or before is distinct from subject
  then
    insert into tenancy.record as r (record_table, record_id, tenant_id, subject_id)
    values (table_name, new.id, new.tenant_id, subject) on conflict (record_id, record_table, tenant_id) do update
    set subject_id = excluded.subject_id, deleted_at = null
    where r.subject_id is distinct from excluded.subject_id or r.deleted_at is not null;
  end if;
  return null;
end $$;
