-- Whether a suppression is about a person, under whatever account, or about a patient who they are. They then have a
-- conflict of interest in it.
create or replace function review.suppression_about(suppression review.suppression, who uuid)
  returns boolean
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  return review.conflict_of_interest(
    who => who, anomaly => null, actor => suppression.actor_id,
    subject => coalesce(suppression.patient_id, (
      select rec.subject_id
      from tenancy.record rec
      where rec.record_id = suppression.record_id and rec.tenant_id = suppression.tenant_id
      limit 1
    ))
  ) is not null;
end $$;
