-- Whether a reviewer's session may do nothing but enrol.
create or replace function tenancy.must_enroll(session uuid)
  returns boolean
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  return (select setting.second_factor from tenancy.setting setting where setting.one) = 'required'
    and not tenancy.factor_shown(session);
end $$;
