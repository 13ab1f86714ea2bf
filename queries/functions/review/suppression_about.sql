-- Whether it is about this person, under whatever account, or a patient who they are: then they have no say in it.
create or replace function review.suppression_about(s review.suppression, who uuid)
  returns boolean
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  return review.conflict_of_interest(who, null, s.actor_id, coalesce(
    s.patient_id,
    (select r.subject_id from tenancy.record r where r.record_id = s.record_id and r.tenant_id = s.tenant_id limit 1)
  )) is not null;
end $$;
