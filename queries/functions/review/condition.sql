-- What narrows the queue, as a condition on review.anomaly a. first_columns: the columns of one clinic and one rule,
-- which then stand first in the order and are compared as ranges. If they were equalities, the planner would drop them
-- from the order and could walk the whole queue, filtering, hoping that a match comes early. A rule has one severity,
-- so the severity does not need this.
create or replace function review.condition(wanted jsonb, who uuid, out condition text, out first_columns text)
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  reach uuid[] := tenancy.reach(who, 'browse');
  clinic uuid;
  rules text[];
  unknown jsonb := wanted - array[
    'state', 'rule', 'severity', 'tenant', 'actor', 'mine', 'due', 'ids', 'sort', 'after', 'limit'
  ];
begin
  if unknown <> '{}' then
    raise exception 'a filter of the queue has no field %',
      (select string_agg(key, ', ') from jsonb_object_keys(unknown) key)
      using errcode = '22023', hint = 'the fields are state, rule, severity, tenant, actor, mine, due, ids and sort';
  end if;
  if wanted ? 'tenant' then
    clinic := tenancy.tenant_named(wanted->>'tenant', 'browse');
  elsif cardinality(reach) = 1 then
    clinic := reach[1];
  end if;
  if clinic is not null then
    first_columns := 'a.tenant_id';
    condition := format('a.tenant_id between %1$L and %1$L', clinic);
  else
    condition := case when reach is null then 'true' else format('a.tenant_id = any (%L::uuid[])', reach) end;
  end if;
  if not wanted ? 'ids'
    and (not wanted ? 'state' or not wanted->'state' ?| array['closed', 'merged', 'suppressed'])
  then
    condition := condition || ' and a.open';
  end if;
  if wanted ? 'state' then
    condition := condition
      || format(' and a.state = any (%L)', array(select jsonb_array_elements_text(wanted->'state')))
      || case when not wanted->'state' ? 'new' then ' and a.state <> ''new''' else '' end;
  end if;
  if wanted ? 'severity' then
    condition := condition || (
      select format(
        ' and a.rank between %s and %s and a.severity = any (%L)',
        min(array_position(severities, value)), max(array_position(severities, value)), array_agg(value)
      )
      from (values (array['critical', 'high', 'medium', 'low'])) worst_first(severities),
        jsonb_array_elements_text(wanted->'severity') value
    );
    if condition is null then
      raise exception 'the severities are critical, high, medium and low' using errcode = '22023';
    end if;
    if jsonb_array_length(wanted->'severity') = 1 then
      condition := condition || format(
        ' and a.rank = %s', array_position(array['critical', 'high', 'medium', 'low'], wanted->'severity'->>0)
      );
    end if;
  end if;
  if wanted ? 'rule' then
    select array_agg(r.id) into rules from review.rule r where starts_with(r.id, wanted->>'rule');
    if cardinality(rules) = 1 then first_columns := concat_ws(', ', first_columns, 'a.rule_id'); end if;
    condition := condition || case
      when cardinality(rules) = 1 then format(' and a.rule_id between %1$L and %1$L', rules[1])
      else format(' and a.rule_id = any (%L)', coalesce(rules, '{}'))
    end;
  end if;
  if wanted ? 'actor' then
    condition := condition || format(' and a.actor_id = %L', tenancy.user_named(wanted->>'actor'));
  end if;
  -- one that went back to new is anybody's again, whomever it is assigned to
  if (wanted->>'mine')::boolean then
    condition := condition || format(' and (a.assigned_to = %L or a.assigned_to is null or a.state = ''new'')', who);
  end if;
  if wanted ? 'due' then
    condition := condition || format(' and a.due_on <= %L::date', core.today() + (wanted->>'due')::int);
  end if;
  if wanted ? 'ids' then
    condition := condition || format(
      ' and a.id = any (array(select value::uuid from jsonb_array_elements_text(%L::jsonb)))', wanted->>'ids'
    );
  end if;
end $$;
