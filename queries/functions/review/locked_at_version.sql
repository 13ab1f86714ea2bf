-- The anomaly as it is now, locked. Refuses if it is not at the version that the reviewer saw.
create or replace function review.locked_at_version(anomaly uuid, expected_version int)
  returns review.anomaly
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare now_is review.anomaly;
begin
  select * into now_is from review.anomaly a where a.id = anomaly for update;
  if now_is.version is distinct from expected_version then
    raise exception 'somebody changed this anomaly since you saw it: it is % now (version %, you saw %)',
      now_is.state, now_is.version, expected_version
      using errcode = 'WARD1', hint = 'look at it again, then decide';
  end if;
  return now_is;
end $$;
