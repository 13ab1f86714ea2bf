-- The anomaly of that id or beginning of one. Whoever is to do more than look at it is no party to it.
create or replace function review.anomaly_within(anomaly text, action text)
  returns review.anomaly
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  a review.anomaly;
  who uuid := tenancy.reviewer(action);
  n int;
  hex text := lower(replace(anomaly, '-', ''));
begin
  if anomaly !~ '^[0-9a-fA-F-]{4,36}$' or length(hex) not between 3 and 32 then
    raise exception '"%" is not an anomaly id: give at least its first four characters', anomaly
      using errcode = '22023';
  end if;
  select count(*) into n
  from review.anomaly x
  where x.id between rpad(hex, 32, '0')::uuid and rpad(hex, 32, 'f')::uuid
    and starts_with(x.id::text, lower(anomaly))
    and tenancy.reaches(who, x.tenant_id, action);
  if n > 1 then
    raise exception '% anomalies begin with "%": give more of the id', n, anomaly using errcode = '22023';
  end if;
  select * into a
  from review.anomaly x
  where x.id between rpad(hex, 32, '0')::uuid and rpad(hex, 32, 'f')::uuid
    and starts_with(x.id::text, lower(anomaly))
    and tenancy.reaches(who, x.tenant_id, action);
  if a.id is null then
    raise exception 'no anomaly "%" within your reach', anomaly
      using errcode = '02000', hint = 'ward queue list shows the open ones';
  end if;
  if action <> 'browse' then perform review.require_no_conflict(who, a.id, a.actor_id, a.subject_id); end if;
  return a;
end $$;
