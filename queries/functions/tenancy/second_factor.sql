-- Whether the second factor of somebody whose password or identity token held is satisfied: null (it is, or none is
-- demanded), or 'needed', or 'wrong'. Asked with code null first, which tells whether one is demanded and writes
-- nothing. An old snapshot would not see an enrolment, hence READ COMMITTED only. An enrolment that begins meanwhile is
-- no gap: the session of a sign-in that was not asked for a code has shown none, whenever it was opened.
create or replace function tenancy.second_factor(who uuid, audience text, code text)
  returns text
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'signing in needs a READ COMMITTED transaction' using errcode = '25001';
  end if;
  return tenancy.spend_code(who, code);
end $$;
