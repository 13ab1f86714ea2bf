-- The same below the function, whoever writes.
create or replace function review.separate_certification()
  returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.approver_id = any (tenancy.accounts_of(new.reviewer_id)) then
    raise exception 'who certified a period does not approve it under another account' using errcode = 'WARD2';
  end if;
  return null;
end $$;
