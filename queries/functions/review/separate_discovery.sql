-- Separates the duties of proposing a date of discovery and confirming it, whoever writes the row. One proposal at a
-- time may wait.
create or replace function review.separate_discovery()
  returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare proposal review.discovery;
begin
  if new.answers is null then
    if exists (
      select from review.discovery d
      where d.anomaly_id = new.anomaly_id
        and d.answers is null
        and d.id <> new.id
        and not exists (select from review.discovery answer where answer.answers = d.id)
    ) then
      raise exception 'another date of discovery is proposed already: a second person has to confirm or refuse it first'
        using errcode = '55000', hint = 'ward queue confirm';
    end if;
    if not exists (
      select from review.anomaly a
      where a.id = new.anomaly_id
        and new.discovered_on between (a.first_at at time zone 'UTC')::date and (new.at at time zone 'UTC')::date
    ) then
      raise exception 'the date of discovery % is before what happened, or in the future', new.discovered_on
        using errcode = '22023';
    end if;
    return null;
  end if;
  select * into proposal from review.discovery d where d.id = new.answers;
  if proposal.answers is not null or proposal.anomaly_id <> new.anomaly_id then
    raise exception 'a confirmation must answer a date of discovery that was proposed for the same anomaly'
      using errcode = '22023';
  end if;
  if new.by_user = any (tenancy.accounts_of(proposal.by_user)) then
    raise exception 'you proposed this date: somebody else confirms it' using errcode = 'WARD2';
  end if;
  return null;
end $$;
