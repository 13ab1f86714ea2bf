-- What narrows the queue, as a condition on review.anomaly a. lead: the columns of one clinic and one rule, which then
-- stand first in the order and are put as ranges: as equalities, the planner would drop them from the order and be free
-- to walk the whole queue, filtering, in the hope that what is asked for comes early. A rule has one severity, so it
-- does not.
create or replace function review.condition(f jsonb, who uuid, out cond text, out lead text)
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  reach uuid[] := tenancy.reach(who, 'browse');
  tenant uuid;
  rules text[];
  unknown jsonb := f
    - array['state', 'rule', 'severity', 'tenant', 'actor', 'mine', 'due', 'ids', 'sort', 'after', 'limit'];
begin
  if unknown <> '{}' then
    raise exception 'unknown filter: %', (select string_agg(x, ', ') from jsonb_object_keys(unknown) x)
      using errcode = '22023', hint = 'state, rule, severity, tenant, actor, mine, due, ids, sort';
  end if;
  if f ? 'tenant' then
    tenant := tenancy.tenant_named(f->>'tenant', 'browse');
  elsif cardinality(reach) = 1 then
    tenant := reach[1];
  end if;
  if tenant is not null then
    lead := 'a.tenant_id';
    cond := format('a.tenant_id between %1$L and %1$L', tenant);
  else
    cond := case when reach is null then 'true' else format('a.tenant_id = any (%L::uuid[])', reach) end;
  end if;
  if not f ? 'ids' and (not f ? 'state' or not f->'state' ?| array['closed', 'merged', 'suppressed']) then
    cond := cond || ' and a.open';
  end if;
  if f ? 'state' then
    cond := cond || format(' and a.state = any (%L)', array(select jsonb_array_elements_text(f->'state')))
      || case when not f->'state' ? 'new' then ' and a.state <> ''new''' else '' end;
  end if;
  if f ? 'severity' then
    cond := cond || (
      select format(
        ' and a.rank between %s and %s and a.severity = any (%L)',
        min(array_position(s, x)), max(array_position(s, x)), array_agg(x)
      )
      from (values (array['critical', 'high', 'medium', 'low'])) v(s), jsonb_array_elements_text(f->'severity') x
    );
    if cond is null then raise exception 'severities are critical, high, medium, low' using errcode = '22023'; end if;
    if jsonb_array_length(f->'severity') = 1 then
      cond := cond
        || format(' and a.rank = %s', array_position(array['critical', 'high', 'medium', 'low'], f->'severity'->>0));
    end if;
  end if;
  if f ? 'rule' then
    select array_agg(r.id) into rules from review.rule r where starts_with(r.id, f->>'rule');
    if cardinality(rules) = 1 then lead := concat_ws(', ', lead, 'a.rule_id'); end if;
    cond := cond || case
      when cardinality(rules) = 1 then format(' and a.rule_id between %1$L and %1$L', rules[1])
      else format(' and a.rule_id = any (%L)', coalesce(rules, '{}'))
    end;
  end if;
  if f ? 'actor' then cond := cond || format(' and a.actor_id = %L', tenancy.user_named(f->>'actor')); end if;
  -- one that went back to new is anybody's again, whomever it is assigned to
  if (f->>'mine')::boolean then
    cond := cond || format(' and (a.assigned_to = %L or a.assigned_to is null or a.state = ''new'')', who);
  end if;
  if f ? 'due' then cond := cond || format(' and a.due_on <= %L::date', core.today() + (f->>'due')::int); end if;
  if f ? 'ids' then
    cond := cond
      || format(' and a.id = any (array(select x::uuid from jsonb_array_elements_text(%L::jsonb) x))', f->>'ids');
  end if;
end $$;
