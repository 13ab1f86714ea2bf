-- Separates the duties of certifying a period and approving it, whoever writes the row.
create or replace function review.separate_certification()
  returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.approver_id = any (tenancy.accounts_of(new.reviewer_id)) then
    raise exception 'nobody approves a period that they certified, under whatever account' using errcode = 'WARD2';
  end if;
  return null;
end $$;
