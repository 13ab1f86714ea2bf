-- fields: what the disposition demands, by name (review.disposition_field).
create or replace function review.close(
  anomaly text, expected_version int, disposition text, reason text, fields jsonb default '{}'
)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  a review.anomaly := review.anomaly_within(anomaly, 'close');
  who uuid := tenancy.user_id();
begin
  perform review.require_lease(a, who);
  return review.close_anomaly(a, expected_version, disposition, reason, fields, who);
end $$;

grant execute on function review.close to ward_reviewer;
