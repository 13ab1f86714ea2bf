-- The same below the functions, whoever writes.
create or replace function review.separate_closing()
  returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  a review.anomaly;
  p uuid;
begin
  if tg_table_name = 'anomaly' then
    for p in
      select distinct x from unnest(array[new.assigned_to, new.closed_by, new.approved_by]) x where x is not null
    loop
      perform review.require_no_conflict(p, new.id, new.actor_id, new.subject_id);
    end loop;
    if new.approved_by = any (tenancy.accounts_of(new.closed_by)) then
      raise exception 'who closed an anomaly does not approve it under another account' using errcode = 'WARD2';
    end if;
    return null;
  end if;
  select * into a from review.anomaly x where x.id = new.anomaly_id;
  perform review.require_no_conflict(new.by_user, a.id, a.actor_id, a.subject_id);
  return null;
end $$;
