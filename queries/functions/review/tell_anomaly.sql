-- In the transaction that makes the anomaly. What is late is a rule's id, or "sealing"; anything else that stood there
-- would be somebody's text.
create or replace function review.tell_anomaly()
  returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform review.tell(
    'anomaly/' || new.id,
    case when new.rule_id = 'S02-late-rule' then 'late' else 'anomaly' end,
    new.tenant_id, new.id, new.severity,
    jsonb_strip_nulls(jsonb_build_object(
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
