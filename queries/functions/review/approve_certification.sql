-- Approves the certification of a period, by another person than the one who certified it. The approval is an event.
create or replace function review.approve_certification(certification text, reason text)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  who uuid := tenancy.reviewer('approve');
  the_certification review.certification;
  manifest bytea;
  event_id bigint;
begin
  if certification !~ '^[0-9a-fA-F-]{8,36}$' then
    raise exception '"%" is not a certification id: give at least its first eight characters', certification
      using errcode = '22023';
  end if;
  select c.* into the_certification
  from review.certification c join review.bundle b on b.id = c.bundle_id
  where starts_with(c.id::text, lower(certification)) and review.may_everywhere(who, b.tenants, 'approve')
  order by c.id limit 1;
  if the_certification.id is null then
    raise exception 'no certification "%" within your reach', certification
      using errcode = '02000', hint = 'ward evidence list shows them';
  end if;
  if who = any (tenancy.accounts_of(the_certification.reviewer_id)) then
    raise exception 'you certified this period: somebody else approves it' using errcode = 'WARD2';
  end if;
  if exists (select from review.certification_approval ca where ca.certification_id = the_certification.id) then
    raise exception 'this certification is approved already' using errcode = '55000';
  end if;
  select bm.sha256 into manifest from review.bundle_manifest bm where bm.bundle_id = the_certification.bundle_id;
  event_id := audit.write(
    tenant => tenancy.installation(), action => 'approve',
    detail => jsonb_build_object(
      'what', 'certification', 'certification', the_certification.id, 'certified_as', the_certification.event_id,
      'manifest', encode(manifest, 'hex'), 'reason', core.require_reason(reason)
    )::text,
    purpose => 'audit'
  );
  insert into review.certification_approval (certification_id, reviewer_id, approver_id, reason, event_id)
  values (the_certification.id, the_certification.reviewer_id, who, core.require_reason(reason), event_id);
  return jsonb_build_object('id', the_certification.id, 'event_id', event_id);
end $$;

grant execute on function review.approve_certification to ward_reviewer;
