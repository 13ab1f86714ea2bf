-- Certifying: the signature is the event, under the person's own session; its proof (ward archive prove) can be checked
-- with the public key alone. The action is close: a period is closed as an anomaly is, and approved by somebody else.
create or replace function review.certify(manifest bytea, statement text)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  who uuid := tenancy.reviewer('close');
  b review.bundle;
  c uuid := gen_random_uuid();
  e bigint;
begin
  select x.* into b
  from review.bundle x join review.bundle_manifest m on m.bundle_id = x.id
  where m.sha256 = manifest and review.may_everywhere(who, x.tenants, 'close');
  if b.id is null then
    raise exception 'no bundle with this manifest was made here within your reach'
      using errcode = '02000', hint = 'ward evidence makes one';
  end if;
  statement := btrim(coalesce(statement, ''), E' \t\r\n');
  if length(statement) not between 20 and 4000 then
    raise exception 'a statement has 20 to 4,000 characters: what was reviewed, and that it was'
      using errcode = '22023';
  end if;
  if exists (select from review.certification x where x.bundle_id = b.id and x.reviewer_id = who) then
    raise exception 'you have certified this bundle already' using errcode = '23505';
  end if;
  e := audit.write(
    tenancy.installation(), 'close', 'ok',
    jsonb_build_object(
      'what', 'certification', 'certification', c, 'bundle', b.id, 'manifest', encode(manifest, 'hex'),
      'from', b.from_at, 'to', b.to_at, 'as_of', b.as_of, 'tenants', b.tenants, 'statement', statement
    )::text,
    null, null, null, 'audit'
  );
  insert into review.certification (id, bundle_id, reviewer_id, statement, event_id)
  values (c, b.id, who, statement, e);
  return jsonb_build_object('id', c, 'event_id', e);
end $$;

grant execute on function review.certify to ward_reviewer;
