-- What time alone changes: a claim that nothing came of for 30 minutes is new again (whom it is assigned to stays), and
-- an undetermined one comes back on its day. By the worker, each with its event.
create or replace function review.tidy()
  returns int
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  a review.anomaly;
  n int := 0;
  e bigint;
  worker uuid;
  back boolean;
  why text;
begin
  select u.id into worker from tenancy.users u where u.slug = 'ward-worker';
  for a in
    select *
    from review.anomaly x
    where (x.state = 'claimed' and x.lease_until < clock_timestamp())
      or (x.review_on <= core.today() and x.state = 'closed'
        and not exists (select from review.anomaly y where y.key = x.key and y.id <> x.id and y.open))
    order by x.id limit 500 for update skip locked
  loop
    back := a.state = 'closed';
    why := case
      when back then 'undetermined: the day to look again has come'
      else 'nobody edited it for 30 minutes'
    end;
    insert into audit.event (tenant_id, user_id, actor_kind, action, subject_id, purpose, detail)
    values (
      a.tenant_id, worker, 'service', case when back then 'reopen' else 'assign' end, a.subject_id, 'system',
      jsonb_build_object('anomaly', a.id, 'from', a.state, 'to', 'new', 'version', a.version + 1, 'reason', why)::text
    ) returning event_id into e;
    update review.anomaly x
    set state = 'new', version = a.version + 1, lease_until = null,
      assigned_to = case when not back then x.assigned_to end
    where x.id = a.id;
    if back then perform review.unclose(a.id); end if;
    insert into review.transition (anomaly_id, version, from_state, to_state, reason, evidence, event_id)
    values (a.id, a.version + 1, a.state, 'new', why, a.evidence_count, e);
    perform review.settle(a.id, worker);
    n := n + 1;
  end loop;
  return n;
end $$;

grant execute on function review.tidy to ward_worker;
