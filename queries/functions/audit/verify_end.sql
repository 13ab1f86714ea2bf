create or replace function audit.verify_end(verification uuid, verdict text, head_size bigint, breaks int, worse jsonb)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare who uuid := tenancy.reviewer('verify');
begin
  update audit.verification v
  set finished_at = clock_timestamp(), verdict = verify_end.verdict, head_size = verify_end.head_size,
    breaks = verify_end.breaks, found = verify_end.worse
  where v.id = verification and v.user_id = who and v.finished_at is null;
  if not found then raise exception 'no verification of yours is open under this id' using errcode = '02000'; end if;
  perform audit.write(
    tenancy.installation(), 'verify', 'ok',
    jsonb_build_object('verification', verification, 'verdict', verdict, 'head', head_size, 'breaks', breaks)::text,
    null, null, null, 'audit'
  );
end $$;

grant execute on function audit.verify_end to ward_reviewer;
