-- Closes an anomaly that the reviewer is editing. fields: what the disposition demands, by name
-- (review.disposition_field).
create or replace function review.close(
  anomaly text, expected_version int, disposition text, reason text, fields jsonb default '{}'
)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  the_anomaly review.anomaly := review.anomaly_within(anomaly, 'close');
  who uuid := tenancy.user_id();
begin
  perform review.require_lease(the_anomaly, who);
  return review.close_anomaly(
    anomaly => the_anomaly, expected_version => expected_version, disposition => disposition, reason => reason,
    fields => fields, who => who
  );
end $$;

grant execute on function review.close to ward_reviewer;
