-- A suppression is asked for and approved by two persons, neither of whom it is about: as an anomaly is closed. Below
-- the functions, whoever writes.
create or replace function review.separate_suppression()
  returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare p uuid;
begin
  foreach p in array array_remove(array[new.created_by, new.approved_by], null) loop
    if review.suppression_about(new, p) then
      raise exception 'this suppression is about the one who asks for it or approves it, or a patient who they are'
        using errcode = 'WARD6';
    end if;
  end loop;
  if new.approved_by = any (tenancy.accounts_of(new.created_by)) then
    raise exception 'who asked for a suppression does not approve it under another account' using errcode = 'WARD2';
  end if;
  return null;
end $$;
