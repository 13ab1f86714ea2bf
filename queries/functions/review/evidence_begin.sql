-- Records that the evidence of a period is taken out: an event for the installation and one for each clinic in it.
-- as_of null: the newest seal. The lists show only what was sealed by then. Batches are sealed in order, so what a
-- past time shows of events never changes.
create or replace function review.evidence_begin(
  ask uuid, tenants text[], from_at timestamptz, to_at timestamptz, as_of timestamptz
)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  who uuid := tenancy.reviewer('export');
  named uuid[] := '{}';
  name text;
  clinic uuid;
  newest timestamptz;
  shown_as_of timestamptz;
  period_end timestamptz;
  event_id bigint;
  detail jsonb;
begin
  foreach name in array coalesce(tenants, '{}') loop named := named || tenancy.tenant_named(name, 'export'); end loop;
  select array_agg(t.id order by t.slug) into named
  from tenancy.tenant t
  where tenancy.reaches(who, t.id, 'export') and (t.id = any (named) or coalesce(cardinality(tenants), 0) = 0);
  select c.sealed_at into newest from audit.chain c order by c.batch desc limit 1;
  if newest is null then
    raise exception 'no event is sealed yet, so there is no evidence to take out'
      using errcode = '55000', hint = 'start ward worker, which seals events within seconds';
  end if;
  shown_as_of := coalesce(as_of, newest);
  period_end := coalesce(to_at, shown_as_of);
  if shown_as_of > newest then
    raise exception 'not everything up to % is sealed yet: the newest seal is of %',
      to_char(shown_as_of at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'),
      to_char(newest at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"')
      using errcode = '22023', hint = 'take an earlier --as-of, or wait for the worker';
  end if;
  if from_at is null then
    raise exception 'the period of the evidence needs a beginning' using errcode = '22023', hint = '--from says it';
  end if;
  if from_at >= period_end then
    raise exception 'the period ends before it begins' using errcode = '22023', hint = '--from must be before --to';
  end if;
  if period_end > shown_as_of then
    raise exception 'the period ends at %, after %, the time whose state the evidence shows',
      to_char(period_end at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'),
      to_char(shown_as_of at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"')
      using errcode = '22023', hint = 'take an earlier --to, or leave it out';
  end if;
  detail := jsonb_build_object(
    'screen', 'evidence', 'bundle', ask, 'from', from_at, 'to', period_end, 'as_of', shown_as_of
  );
  event_id := audit.write(
    tenant => tenancy.installation(), action => 'export',
    detail => (detail || jsonb_build_object('clinics', cardinality(named)))::text,
    purpose => 'audit', disclosure => ask
  );
  foreach clinic in array named loop
    if clinic <> tenancy.installation() then
      perform audit.write(
        tenant => clinic, action => 'export', detail => detail::text, purpose => 'audit', disclosure => ask
      );
    end if;
  end loop;
  insert into review.bundle (id, made_by, tenants, from_at, to_at, as_of, event_id)
  values (ask, who, named, from_at, period_end, shown_as_of, event_id);
  perform tenancy.remember_ask(
    disclosure => ask, what => 'evidence', ids => named, payload => '{}',
    lease => (select review_lease from tenancy.setting)
  );
end $$;

grant execute on function review.evidence_begin to ward_reviewer;
