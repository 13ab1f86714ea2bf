-- Keeps the history of links between people and patients.
create or replace function review.log_person_link()
  returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op <> 'INSERT' then
    insert into review.person_link_log (tenant_id, user_id, patient_id, removed)
    values (old.tenant_id, old.user_id, old.patient_id, true);
  end if;
  if tg_op <> 'DELETE' then
    insert into review.person_link_log (tenant_id, user_id, patient_id, removed)
    values (new.tenant_id, new.user_id, new.patient_id, false);
  end if;
  return null;
end $$;
