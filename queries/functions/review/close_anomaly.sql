-- Closes what the caller may close: final at once, or pending the approval of somebody else where the tier or the
-- disposition asks for a second person. One closed as a duplicate is merged into the other.
create or replace function review.close_anomaly(
  a review.anomaly,
  expected_version int,
  disposition text,
  reason text,
  fields jsonb,
  who uuid,
  extra jsonb default '{}'
)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  d review.disposition;
  r jsonb;
begin
  select * into d from review.disposition x where x.name = disposition;
  if not found then
    raise exception 'no disposition "%": one of %',
      disposition, (select string_agg(x.name, ', ' order by x.name) from review.disposition x)
      using errcode = '22023';
  end if;
  reason := core.require_reason(reason);
  perform review.locked_at_version(a.id, expected_version);
  perform review.fill(a, expected_version + 1, disposition, coalesce(fields, '{}'), who);
  -- the columns that a closed state demands come first
  update review.anomaly x
  set disposition = d.name, closed_by = who, closed_at = clock_timestamp(), close_reason = close_anomaly.reason,
    approved_by = null, closed_version = expected_version + 1
  where x.id = a.id;
  r := review.change(
    a, expected_version, 'close',
    case when d.second_person or a.tier = 'A' then 'pending_approval' else review.final_state(d.name) end,
    who, reason, disposition, extra
  );
  update review.anomaly x set lease_until = null where x.id = a.id;
  perform review.settle(a.id, who);
  return r;
end $$;
