create or replace function review.approve_certification(certification text, reason text)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  who uuid := tenancy.reviewer('approve');
  c review.certification;
  m bytea;
  e bigint;
begin
  if certification !~ '^[0-9a-fA-F-]{8,36}$' then
    raise exception '"%" is not a certification id: give at least its first eight characters', certification
      using errcode = '22023';
  end if;
  select x.* into c
  from review.certification x join review.bundle b on b.id = x.bundle_id
  where starts_with(x.id::text, lower(certification)) and review.may_everywhere(who, b.tenants, 'approve')
  order by x.id limit 1;
  if c.id is null then
    raise exception 'no certification "%" within your reach', certification
      using errcode = '02000', hint = 'ward evidence list shows them';
  end if;
  if who = any (tenancy.accounts_of(c.reviewer_id)) then
    raise exception 'you certified this period: somebody else approves it' using errcode = 'WARD2';
  end if;
  if exists (select from review.certification_approval a where a.certification_id = c.id) then
    raise exception 'this certification is approved already' using errcode = '55000';
  end if;
  select x.sha256 into m from review.bundle_manifest x where x.bundle_id = c.bundle_id;
  e := audit.write(
    tenancy.installation(), 'approve', 'ok',
    jsonb_build_object(
      'what', 'certification', 'certification', c.id, 'certified_as', c.event_id, 'manifest', encode(m, 'hex'),
      'reason', core.require_reason(reason)
    )::text,
    null, null, null, 'audit'
  );
  insert into review.certification_approval (certification_id, reviewer_id, approver_id, reason, event_id)
  values (c.id, c.reviewer_id, who, core.require_reason(reason), e);
  return jsonb_build_object('id', c.id, 'event_id', e);
end $$;

grant execute on function review.approve_certification to ward_reviewer;
