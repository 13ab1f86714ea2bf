-- Asks for a suppression: {"rule", "tenant", "reason", "ticket", "days"} and at least one of {"actor", "patient",
-- "record", "action"}. {"renews": id} takes over what that one matches.
create or replace function review.suppress(what jsonb)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  clinic uuid;
  who uuid := tenancy.reviewer('suppress');
  the_rule review.rule;
  asked review.suppression;
  old review.suppression;
  event_id bigint;
  bad text;
  days int := (what->>'days')::int;
  most_days int;
  matches int;
begin
  select string_agg(key, ', ') into bad
  from jsonb_object_keys(what) key
  where key not in ('rule', 'tenant', 'actor', 'patient', 'record', 'action', 'reason', 'ticket', 'days', 'renews');
  if bad is not null then
    raise exception 'a suppression has no field %', bad using errcode = '22023',
        hint = 'the fields are rule, tenant, actor, patient, record, action, reason, ticket, days and renews';
  end if;
  if what ? 'renews' then
    old := review.suppression_within(what->>'renews');
    if what ?| array['rule', 'tenant', 'actor', 'patient', 'record', 'action'] then
      raise exception 'a renewal keeps the rule, clinic and matter of the suppression that it renews: leave them out'
        using errcode = '22023';
    end if;
    asked := old;
    clinic := old.tenant_id;
    select * into the_rule from review.rule r where r.id = old.rule_id;
  else
    clinic := tenancy.tenant_named(what->>'tenant', 'suppress');
    select count(*) into matches from review.rule r where starts_with(r.id, what->>'rule');
    if matches <> 1 then
      raise exception '% rules begin with "%": name one', matches, what->>'rule'
        using errcode = '22023', hint = 'ward rule list shows them';
    end if;
    select * into the_rule from review.rule r where starts_with(r.id, what->>'rule');
    asked.actor_id := case when what ? 'actor' then tenancy.user_named(what->>'actor') end;
    asked.patient_id := (what->>'patient')::uuid;
    asked.record_id := (what->>'record')::uuid;
    asked.action := what->>'action';
  end if;
  if the_rule.kind <> 'flag' then
    raise exception 'rule % is a %: only what a flag finds can be suppressed', the_rule.id, the_rule.kind
      using errcode = '22023';
  end if;
  if num_nonnulls(asked.actor_id, asked.patient_id, asked.record_id, asked.action) = 0 then
    raise exception 'a suppression must say what it is about: an actor, patient, record or action'
      using errcode = '22023';
  end if;
  if btrim(coalesce(what->>'ticket', '')) = '' then
    raise exception 'a suppression needs a ticket' using errcode = '22023';
  end if;
  most_days := case the_rule.tier when 'A' then 7 else 90 end;
  if days is null or days < 1 or days > most_days then
    raise exception 'a suppression of a rule of tier % lasts 1 to % days, not %',
      the_rule.tier, most_days, coalesce(days, 0)
      using errcode = '22023';
  end if;
  asked.tenant_id := clinic;
  if review.suppression_about(asked, who) then
    raise exception 'this suppression is about yourself: somebody else asks for it' using errcode = 'WARD6';
  end if;
  asked.id := gen_random_uuid();
  event_id := audit.write(tenant => clinic, action => 'suppress', detail => jsonb_strip_nulls(jsonb_build_object(
    'what', 'asked', 'suppression', asked.id, 'rule', the_rule.id, 'actor', asked.actor_id, 'record', asked.record_id,
    'action', asked.action, 'days', days, 'reason', core.require_reason(what->>'reason'), 'ticket', what->>'ticket',
    'renews', old.id
  ))::text, subject_id => asked.patient_id, purpose => 'audit');
  insert into review.suppression (
    id, rule_id, tier, tenant_id, actor_id, patient_id, record_id, action, reason, ticket, created_by, starts_at,
    expires_at, renews, event_id
  )
  select asked.id, the_rule.id, the_rule.tier, clinic, asked.actor_id, asked.patient_id, asked.record_id, asked.action,
    core.require_reason(what->>'reason'), btrim(what->>'ticket'), who, period.starts_at,
    period.starts_at + days * interval '1 day', old.id, event_id
  from (select greatest(clock_timestamp(), old.expires_at) as starts_at) period returning * into asked;
  return review.suppression_row(asked) || jsonb_build_object('event_id', event_id);
end $$;

grant execute on function review.suppress to ward_reviewer;
