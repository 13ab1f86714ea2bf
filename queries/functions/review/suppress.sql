-- Asks for one: {"rule", "tenant", "reason", "ticket", "days"} and at least one of {"actor", "patient", "record",
-- "action"}; {"renews": id} takes over what that one matches.
create or replace function review.suppress(what jsonb)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  t uuid;
  who uuid := tenancy.reviewer('suppress');
  r review.rule;
  s review.suppression;
  old review.suppression;
  e bigint;
  bad text;
  days int := (what->>'days')::int;
  n int;
begin
  select string_agg(x, ', ') into bad
  from jsonb_object_keys(what) x
  where x not in ('rule', 'tenant', 'actor', 'patient', 'record', 'action', 'reason', 'ticket', 'days', 'renews');
  if bad is not null then raise exception 'unknown: %', bad using errcode = '22023'; end if;
  if what ? 'renews' then
    old := review.suppression_within(what->>'renews');
    if what ?| array['rule', 'tenant', 'actor', 'patient', 'record', 'action'] then
      raise exception 'a renewal is of the same rule, clinic and matter' using errcode = '22023';
    end if;
    s := old;
    t := old.tenant_id;
    select * into r from review.rule x where x.id = old.rule_id;
  else
    t := tenancy.tenant_named(what->>'tenant', 'suppress');
    select count(*) into n from review.rule x where starts_with(x.id, what->>'rule');
    if n <> 1 then
      raise exception '% rules begin with "%": name one', n, what->>'rule'
        using errcode = '22023', hint = 'ward rule list shows them';
    end if;
    select * into r from review.rule x where starts_with(x.id, what->>'rule');
    s.actor_id := case when what ? 'actor' then tenancy.user_named(what->>'actor') end;
    s.patient_id := (what->>'patient')::uuid;
    s.record_id := (what->>'record')::uuid;
    s.action := what->>'action';
  end if;
  if r.kind <> 'flag' then
    raise exception 'rule % is a %: only what a flag finds can be suppressed', r.id, r.kind using errcode = '22023';
  end if;
  if num_nonnulls(s.actor_id, s.patient_id, s.record_id, s.action) = 0 then
    raise exception 'whom or what is it about: actor, patient, record or action' using errcode = '22023';
  end if;
  if btrim(coalesce(what->>'ticket', '')) = '' then
    raise exception 'a ticket is needed' using errcode = '22023';
  end if;
  if days is null or days < 1 or days > (case r.tier when 'A' then 7 else 90 end) then
    raise exception 'from 1 to % days for a rule of tier %', case r.tier when 'A' then 7 else 90 end, r.tier
      using errcode = '22023';
  end if;
  s.tenant_id := t;
  if review.suppression_about(s, who) then
    raise exception 'this suppression is about yourself: somebody else asks for it' using errcode = 'WARD6';
  end if;
  s.id := gen_random_uuid();
  e := audit.write(
    t, 'suppress', 'ok',
    jsonb_strip_nulls(jsonb_build_object(
      'what', 'asked', 'suppression', s.id, 'rule', r.id, 'actor', s.actor_id, 'record', s.record_id,
      'action', s.action, 'days', days, 'reason', core.require_reason(what->>'reason'), 'ticket', what->>'ticket',
      'renews', old.id
    ))::text,
    null, null, s.patient_id, 'audit'
  );
  insert into review.suppression (
    id, rule_id, tier, tenant_id, actor_id, patient_id, record_id, action, reason, ticket, created_by, starts_at,
    expires_at, renews, event_id
  )
  select s.id, r.id, r.tier, t, s.actor_id, s.patient_id, s.record_id, s.action, core.require_reason(what->>'reason'),
    btrim(what->>'ticket'), who, x.at, x.at + days * interval '1 day', old.id, e
  from (select greatest(clock_timestamp(), old.expires_at) as at) x returning * into s;
  return review.suppression_row(s) || jsonb_build_object('event_id', e);
end $$;

grant execute on function review.suppress to ward_reviewer;
