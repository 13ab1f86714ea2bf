-- Enters the alert of a new anomaly, in the transaction that makes it. The "what" of a late rule is told only if it is
-- a rule's id or "sealing", since anything else could be somebody's text.
create or replace function review.tell_anomaly()
  returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform review.tell(
    matter => 'anomaly/' || new.id,
    kind => case when new.rule_id = 'S02-late-rule' then 'late' else 'anomaly' end,
    tenant => new.tenant_id, anomaly => new.id, severity => new.severity,
    content => jsonb_strip_nulls(jsonb_build_object(
      'rule_id', new.rule_id, 'tier', new.tier, 'found_at', new.created_at,
      'what', case
        when new.rule_id = 'S02-late-rule'
          and (new.facts->>'what' = 'sealing' or exists (select from review.rule r where r.id = new.facts->>'what'))
        then new.facts->>'what'
      end
    ))
  );
  return null;
end $$;
