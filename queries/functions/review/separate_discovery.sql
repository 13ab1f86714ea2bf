create or replace function review.separate_discovery()
  returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare d review.discovery;
begin
  if new.answers is null then
    if exists (
      select from review.discovery x
      where x.anomaly_id = new.anomaly_id
        and x.answers is null
        and x.id <> new.id
        and not exists (select from review.discovery y where y.answers = x.id)
    ) then
      raise exception 'another date of discovery waits for a second person' using errcode = '55000';
    end if;
    if not exists (
      select from review.anomaly a
      where a.id = new.anomaly_id
        and new.discovered_on between (a.first_at at time zone 'UTC')::date and (new.at at time zone 'UTC')::date
    ) then
      raise exception 'a date of discovery is not before what happened, and not in the future' using errcode = '22023';
    end if;
    return null;
  end if;
  select * into d from review.discovery x where x.id = new.answers;
  if d.answers is not null or d.anomaly_id <> new.anomaly_id then
    raise exception 'this answers nothing' using errcode = '22023';
  end if;
  if new.by_user = any (tenancy.accounts_of(d.by_user)) then
    raise exception 'you proposed this date: somebody else confirms it' using errcode = 'WARD2';
  end if;
  return null;
end $$;
