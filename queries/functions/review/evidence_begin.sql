-- Records that a period's evidence is taken out, once for the installation and once for each clinic in it. as_of null:
-- the newest seal. Only what was sealed by then is in the lists; batches are sealed in order, so that what a past time
-- shows of events never changes.
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
  t text;
  one uuid;
  newest timestamptz;
  upto timestamptz;
  till timestamptz;
  e bigint;
  said jsonb;
begin
  foreach t in array coalesce(tenants, '{}') loop named := named || tenancy.tenant_named(t, 'export'); end loop;
  select array_agg(x.id order by x.slug) into named
  from tenancy.tenant x
  where tenancy.reaches(who, x.id, 'export') and (x.id = any (named) or coalesce(cardinality(tenants), 0) = 0);
  select c.sealed_at into newest from audit.chain c order by c.batch desc limit 1;
  if newest is null then
    raise exception 'nothing is sealed yet' using errcode = '55000', hint = 'is ward worker running?';
  end if;
  upto := coalesce(as_of, newest);
  till := coalesce(to_at, upto);
  if upto > newest then
    raise exception 'not everything up to % is sealed yet: the newest seal is of %',
      to_char(upto at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'),
      to_char(newest at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"')
      using errcode = '22023', hint = 'take an earlier --as-of, or wait for the worker';
  end if;
  if from_at is null or from_at >= till then
    raise exception 'the period ends before it begins' using errcode = '22023';
  end if;
  if till > upto then
    raise exception 'the period ends after the time as of which it is told'
      using errcode = '22023', hint = 'take an earlier --to, or leave it out';
  end if;
  said := jsonb_build_object('screen', 'evidence', 'bundle', ask, 'from', from_at, 'to', till, 'as_of', upto);
  e := audit.write(
    tenancy.installation(), 'export', 'ok',
    (said || jsonb_build_object('clinics', cardinality(named)))::text,
    null, null, null, 'audit', ask
  );
  foreach one in array named loop
    if one <> tenancy.installation() then
      perform audit.write(one, 'export', 'ok', said::text, null, null, null, 'audit', ask);
    end if;
  end loop;
  insert into review.bundle (id, made_by, tenants, from_at, to_at, as_of, event_id)
  values (ask, who, named, from_at, till, upto, e);
  perform tenancy.remember_ask(ask, 'evidence', named, '{}', (select review_lease from tenancy.setting));
end $$;

grant execute on function review.evidence_begin to ward_reviewer;
