-- The suppression in force that a match falls under, or null: all of its evidence is about the person, patient, record
-- and action that it names. What its two people did themselves falls under none of theirs.
create or replace function review.suppressed_by(rule text, tenant uuid, actor uuid, events bigint[])
  returns uuid
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select s.id
    from review.suppression s
    where s.rule_id = rule
      and s.tenant_id = tenant
      and (s.actor_id is null or s.actor_id = actor)
      and s.approved_by is not null
      and s.ended_at is null
      and s.starts_at <= clock_timestamp()
      and s.expires_at > clock_timestamp()
      and cardinality(events) > 0
      and not exists (
        select from unnest(events) listed(id)
          cross join lateral (select * from review.access a where a.event_id = listed.id offset 0) reached
        where (
          s.patient_id is not null and reached.patient_id is distinct from s.patient_id
          or s.record_id is not null and reached.record_id is distinct from s.record_id
          or s.action is not null and reached.action is distinct from s.action
        )
      )
      and (actor is null or not actor = any (tenancy.accounts_of(s.created_by) || tenancy.accounts_of(s.approved_by)))
    order by s.expires_at, s.id limit 1
  );
end $$;

grant execute on function review.suppressed_by to ward_worker;
