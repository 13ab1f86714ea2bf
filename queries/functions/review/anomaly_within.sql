-- The anomaly within the reviewer's reach whose id begins so. Anyone who acts on an anomaly must have no conflict of
-- interest in it; looking at it (action browse) needs no such check.
create or replace function review.anomaly_within(anomaly text, action text)
  returns review.anomaly
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  the_anomaly review.anomaly;
  who uuid := tenancy.reviewer(action);
  the_id uuid;
  matches int;
  hex text := lower(replace(anomaly, '-', ''));
begin
  if anomaly !~ '^[0-9a-fA-F-]{4,36}$' or length(hex) not between 3 and 32 then
    raise exception '"%" is not an anomaly id: give at least its first four characters', anomaly
      using errcode = '22023';
  end if;
  select count(*), (array_agg(a.id))[1] into matches, the_id
  from review.anomaly a
  where a.id between rpad(hex, 32, '0')::uuid and rpad(hex, 32, 'f')::uuid
    and starts_with(a.id::text, lower(anomaly))
    and tenancy.reaches(who, a.tenant_id, action);
  if matches > 1 then
    raise exception '% anomalies begin with "%": give more of the id', matches, anomaly using errcode = '22023';
  end if;
  if matches = 0 then
    raise exception 'no anomaly "%" within your reach', anomaly
      using errcode = '02000', hint = 'ward queue list shows the open ones';
  end if;
  select * into the_anomaly from review.anomaly a where a.id = the_id;
  if action <> 'browse' then
    perform review.require_no_conflict(who, the_anomaly.id, the_anomaly.actor_id, the_anomaly.subject_id);
  end if;
  return the_anomaly;
end $$;
