-- Asks the worker to do something. The event is the reviewer's; its id is returned, and the run then names it.
create or replace function review.request(action text, detail jsonb)
  returns bigint
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  who uuid := case action
    -- the chain is every clinic's
    when 'seal_recover' then tenancy.reviewer_of(action => action, tenant => null)
    else tenancy.reviewer(action)
  end;
  event_id bigint;
  named text[];
begin
  if action not in ('rule_run', 'ship', 'seal_recover') then
    raise exception 'a reviewer cannot ask the worker to "%"', action
      using errcode = '22023', hint = 'the requests are rule_run, ship and seal_recover';
  end if;
  if action = 'seal_recover'
    and (coalesce(detail->>'reason', '') !~ '\S' or octet_length(detail->>'reason') > 1000)
  then
    raise exception 'a recovery of the seal needs a reason of at most 1,000 bytes' using errcode = '22023';
  end if;
  if action = 'rule_run' and detail->>'rule' is not null then
    select array_agg(r.id) into named from review.rule r where starts_with(r.id, detail->>'rule');
    if cardinality(named) > 1 then
      raise exception '"%" is the beginning of more than one rule: %', detail->>'rule', array_to_string(named, ', ')
        using errcode = '22023';
    end if;
    if named is null then
      raise exception 'no rule "%"', detail->>'rule' using errcode = '02000', hint = 'ward rule list shows them';
    end if;
    detail := detail || jsonb_build_object('rule', named[1]);
  end if;
  event_id := audit.write(
    tenant => tenancy.installation(), action => action, detail => detail::text, purpose => 'audit'
  );
  insert into river.river_job (args, kind, max_attempts, queue, state)
  values (detail || jsonb_build_object('requested_by', who, 'event_id', event_id), action, 3, 'requests', 'available');
  return event_id;
end $$;

grant execute on function review.request to ward_reviewer;
