-- Closes an anomaly that the caller may close: at once, or pending the approval of another person if the tier or the
-- disposition asks for a second one. A duplicate is merged into the other anomaly.
create or replace function review.close_anomaly(
  anomaly review.anomaly,
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
  the_disposition review.disposition;
  changed jsonb;
begin
  select * into the_disposition from review.disposition d where d.name = disposition;
  if not found then
    raise exception 'no disposition "%": choose one of %',
      disposition, (select string_agg(d.name, ', ' order by d.name) from review.disposition d)
      using errcode = '22023', hint = 'ward queue dispositions explains them';
  end if;
  reason := core.require_reason(reason);
  perform review.locked_at_version(anomaly.id, expected_version);
  perform review.fill(
    anomaly => anomaly, version => expected_version + 1, disposition => disposition, fields => coalesce(fields, '{}'),
    who => who
  );
  -- the columns that a closed state demands come first
  update review.anomaly a
  set disposition = the_disposition.name, closed_by = who, closed_at = clock_timestamp(),
    close_reason = close_anomaly.reason, approved_by = null, closed_version = expected_version + 1
  where a.id = anomaly.id;
  changed := review.change(
    anomaly => anomaly, expected_version => expected_version, action => 'close',
    to_state => case
      when the_disposition.second_person or anomaly.tier = 'A' then 'pending_approval'
      else review.final_state(the_disposition.name)
    end,
    who => who, reason => reason, disposition => disposition, extra => extra
  );
  update review.anomaly a set lease_until = null where a.id = anomaly.id;
  perform review.settle(anomaly.id, who);
  return changed;
end $$;
