create or replace function review.evidence_end(bundle uuid, sha256 bytea)
  returns bigint
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  who uuid := tenancy.reviewer('export');
  b review.bundle;
  e bigint;
begin
  select * into b from review.bundle x where x.id = bundle and x.made_by = who;
  if b.id is null then raise exception 'no bundle of yours has this id' using errcode = '02000'; end if;
  e := audit.write(
    tenancy.installation(), 'export', 'ok',
    jsonb_build_object('screen', 'evidence', 'bundle', b.id, 'manifest', encode(sha256, 'hex'))::text,
    null, null, null, 'audit', b.id
  );
  insert into review.bundle_manifest (bundle_id, sha256, event_id) values (b.id, evidence_end.sha256, e);
  return e;
end $$;

grant execute on function review.evidence_end to ward_reviewer;
