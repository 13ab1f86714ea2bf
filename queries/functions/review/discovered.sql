-- Another date of discovery is proposed by one and confirmed or refused by another.
create or replace function review.discovered(anomaly text, expected_version int, discovered_on date, reason text)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  a review.anomaly := review.anomaly_within(anomaly, 'note');
  who uuid := tenancy.user_id();
  r jsonb;
begin
  if discovered_on is null then
    raise exception 'a date of discovery is a day like 2026-01-31' using errcode = '22023';
  end if;
  r := review.change(
    a, expected_version, 'note', a.state, who, core.require_reason(reason), null,
    jsonb_build_object('discovered_on', discovered_on, 'was', a.discovered_on)
  );
  insert into review.discovery (anomaly_id, discovered_on, reason, by_user, event_id)
  values (a.id, discovered_on, core.require_reason(reason), who, (r->>'event_id')::bigint);
  return r;
end $$;

grant execute on function review.discovered to ward_reviewer;
