-- Why a person has a conflict of interest in an anomaly, or null: under one of their accounts they did what it is
-- about (actor), or it is about a patient who they are by review.person_link or by a portal identity of theirs
-- (patient).
create or replace function review.conflict_of_interest(who uuid, anomaly uuid, actor uuid, subject uuid)
  returns text
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  mine uuid[] := tenancy.accounts_of(who);
  charts uuid[];
begin
  if actor = any (mine) then return 'actor'; end if;
  select array_agg(distinct m.patient_id) into charts
  from tenancy.membership m
  where m.user_id = any (mine) and m.patient_id is not null;
  if to_regclass('review.person_link') is not null then  -- an optional input of rules
    execute 'select array_agg(distinct l.patient_id) || $2 from review.person_link l where l.user_id = any ($1)'
      into charts using mine, charts;
  end if;
  if charts is null then return null; end if;
  if subject = any (charts)
    or exists (select from review.evidence ev where ev.anomaly_id = anomaly and ev.subject_id = any (charts))
  then
    return 'patient';
  end if;
  return null;
end $$;
