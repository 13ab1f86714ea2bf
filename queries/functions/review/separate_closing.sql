-- Separates the duties of closing an anomaly and approving that, and keeps people with a conflict of interest from
-- acting on it, whoever writes the row.
create or replace function review.separate_closing()
  returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  anomaly review.anomaly;
  person uuid;
begin
  if tg_table_name = 'anomaly' then
    for person in
      select distinct named
      from unnest(array[new.assigned_to, new.closed_by, new.approved_by]) named
      where named is not null
    loop
      perform review.require_no_conflict(person, new.id, new.actor_id, new.subject_id);
    end loop;
    if new.approved_by = any (tenancy.accounts_of(new.closed_by)) then
      raise exception 'nobody approves an anomaly that they closed, under whatever account' using errcode = 'WARD2';
    end if;
    return null;
  end if;
  select * into anomaly from review.anomaly a where a.id = new.anomaly_id;
  perform review.require_no_conflict(new.by_user, anomaly.id, anomaly.actor_id, anomaly.subject_id);
  return null;
end $$;
