-- Adds a membership, with the event. Its caller has asked who may. instead_of: the membership that it replaces.
create or replace function tenancy.new_member(clinic uuid, person uuid, role text, patient uuid, instead_of uuid)
  returns uuid
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare member uuid;
begin
  if not exists (select from tenancy.role r where r.name = new_member.role) then
    raise exception 'there is no role "%": name one of %',
      role, (select string_agg(r.name, ', ' order by r.name) from tenancy.role r)
      using errcode = '22023';
  end if;
  if (role = 'patient') <> (patient is not null) then
    raise exception
      'the role patient needs the id of the patient whose records it reaches, and no other role may have one'
      using errcode = '22023', hint = '--patient ID';
  end if;
  if role
    = (case (select u.kind from tenancy.users u where u.id = person) when 'service' then 'patient' else 'service' end)
  then
    raise exception 'a person cannot have the role service, nor a service account the role patient: choose another role'
      using errcode = '22023';
  end if;
  -- by ids alone; a person''s row is one whose subject is itself
  if patient is not null
    and not exists (
      select from tenancy.record r
        join tenancy.phi_table p on p.record_table = r.record_table and p.subject_column = 'id'
      where r.record_id = patient and r.tenant_id = clinic and r.deleted_at is null
    )
  then
    raise exception 'this clinic has no patient with the id %', patient
      using errcode = '02000', hint = 'the id is the record''s in the table of patients that is protected';
  end if;
  insert into tenancy.membership (tenant_id, user_id, role, patient_id)
  values (clinic, person, new_member.role, patient) returning id into member;
  perform audit.write(clinic, 'configure', 'ok', detail => jsonb_strip_nulls(jsonb_build_object(
    'what', 'member add', 'user', person, 'role', role, 'membership', member, 'instead_of', instead_of
  ))::text, subject_id => patient);
  return member;
end $$;
