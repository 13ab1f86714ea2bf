-- Certifies a period. The signature is the event, under the person's own session; its proof (ward archive prove) can
-- be checked with the public key alone. The action is close: a period is closed as an anomaly is, and approved by
-- somebody else.
create or replace function review.certify(manifest bytea, statement text)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  who uuid := tenancy.reviewer('close');
  the_bundle review.bundle;
  certification uuid := gen_random_uuid();
  event_id bigint;
begin
  select b.* into the_bundle
  from review.bundle b join review.bundle_manifest bm on bm.bundle_id = b.id
  where bm.sha256 = manifest and review.may_everywhere(who, b.tenants, 'close');
  if the_bundle.id is null then
    raise exception 'no bundle with this manifest was made here within your reach'
      using errcode = '02000', hint = 'ward evidence makes one';
  end if;
  statement := btrim(coalesce(statement, ''), E' \t\r\n');
  if length(statement) not between 20 and 4000 then
    raise exception
      'the statement of a certification needs 20 to 4,000 characters: say what was reviewed, and that it was'
      using errcode = '22023';
  end if;
  if exists (
    select from review.certification c where c.bundle_id = the_bundle.id and c.reviewer_id = who
  ) then
    raise exception 'you have certified this bundle already' using errcode = '23505';
  end if;
  event_id := audit.write(
    tenant => tenancy.installation(), action => 'close',
    detail => jsonb_build_object(
      'what', 'certification', 'certification', certification, 'bundle', the_bundle.id,
      'manifest', encode(manifest, 'hex'), 'from', the_bundle.from_at, 'to', the_bundle.to_at,
      'as_of', the_bundle.as_of, 'tenants', the_bundle.tenants, 'statement', statement
    )::text,
    purpose => 'audit'
  );
  insert into review.certification (id, bundle_id, reviewer_id, statement, event_id)
  values (certification, the_bundle.id, who, statement, event_id);
  return jsonb_build_object('id', certification, 'event_id', event_id);
end $$;

grant execute on function review.certify to ward_reviewer;
