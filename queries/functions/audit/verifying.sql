-- Refuses unless the verification is the caller's own and has not ended.
create or replace function audit.verifying(verification uuid)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare who uuid := tenancy.reviewer('verify');
begin
  if not exists (
    select from audit.verification v where v.id = verifying.verification and v.user_id = who and v.finished_at is null
  ) then
    raise exception 'you have no unfinished verification %', verification
      using errcode = '02000', hint = 'ward archive verify begins one';
  end if;
end $$;
