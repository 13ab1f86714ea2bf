-- Separates the duties of asking for a suppression and approving it, and keeps people with a conflict of interest from
-- both, whoever writes the row.
create or replace function review.separate_suppression()
  returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare person uuid;
begin
  foreach person in array array_remove(array[new.created_by, new.approved_by], null) loop
    if review.suppression_about(new, person) then
      raise exception
        'this suppression is about %, or a patient who they are: somebody else must ask for it and approve it',
        tenancy.slug_of(person)
        using errcode = 'WARD6';
    end if;
  end loop;
  if new.approved_by = any (tenancy.accounts_of(new.created_by)) then
    raise exception 'nobody approves a suppression that they asked for, under whatever account' using errcode = 'WARD2';
  end if;
  return null;
end $$;
