-- Ends a verification with its verdict. worse: what was not valid, by REGION/YYYY-MM.
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
  if not found then
    raise exception 'you have no unfinished verification %', verification
      using errcode = '02000', hint = 'ward archive verify begins one';
  end if;
  perform audit.write(
    tenant => tenancy.installation(), action => 'verify',
    detail => jsonb_build_object(
      'verification', verification, 'verdict', verdict, 'head', head_size, 'breaks', breaks
    )::text,
    purpose => 'audit'
  );
end $$;

grant execute on function audit.verify_end to ward_reviewer;
