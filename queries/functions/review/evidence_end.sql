-- Records the manifest of a bundle that the reviewer began, and returns the event's id.
create or replace function review.evidence_end(bundle uuid, sha256 bytea)
  returns bigint
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  who uuid := tenancy.reviewer('export');
  the_bundle review.bundle;
  event_id bigint;
begin
  select * into the_bundle from review.bundle b where b.id = bundle and b.made_by = who;
  if the_bundle.id is null then
    raise exception 'you have made no bundle %', bundle using errcode = '02000', hint = 'ward evidence makes one';
  end if;
  event_id := audit.write(
    tenant => tenancy.installation(), action => 'export',
    detail => jsonb_build_object(
      'screen', 'evidence', 'bundle', the_bundle.id, 'manifest', encode(sha256, 'hex')
    )::text,
    purpose => 'audit', disclosure => the_bundle.id
  );
  insert into review.bundle_manifest (bundle_id, sha256, event_id)
  values (the_bundle.id, evidence_end.sha256, event_id);
  return event_id;
end $$;

grant execute on function review.evidence_end to ward_reviewer;
