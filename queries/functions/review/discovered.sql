-- Proposes another date of discovery, which another person confirms or refuses.
create or replace function review.discovered(anomaly text, expected_version int, discovered_on date, reason text)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  the_anomaly review.anomaly := review.anomaly_within(anomaly, 'note');
  who uuid := tenancy.user_id();
  changed jsonb;
begin
  if discovered_on is null then
    raise exception 'the date of discovery is missing: give a day like 2026-01-31' using errcode = '22023';
  end if;
  changed := review.change(
    anomaly => the_anomaly, expected_version => expected_version, action => 'note', to_state => the_anomaly.state,
    who => who, reason => core.require_reason(reason),
    extra => jsonb_build_object('discovered_on', discovered_on, 'was', the_anomaly.discovered_on)
  );
  insert into review.discovery (anomaly_id, discovered_on, reason, by_user, event_id)
  values (the_anomaly.id, discovered_on, core.require_reason(reason), who, (changed->>'event_id')::bigint);
  return changed;
end $$;

grant execute on function review.discovered to ward_reviewer;
