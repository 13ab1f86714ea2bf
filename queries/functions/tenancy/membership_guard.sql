-- A terminated membership stays as it is: undoing it is a new membership.
create or replace function tenancy.membership_guard()
  returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if old.terminated_at is not null
    or (new.id, new.tenant_id, new.user_id, new.role, new.started_at, new.patient_id) is distinct from (
      old.id, old.tenant_id, old.user_id, old.role, old.started_at, old.patient_id
    )
  then
    raise exception 'membership % cannot be changed: terminate it and add another', old.id using errcode = '42501';
  end if;
  return new;
end $$;
