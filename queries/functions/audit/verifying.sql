-- The caller's own verification, which has not ended.
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
    raise exception 'no verification of yours is open under this id' using errcode = '02000';
  end if;
end $$;
