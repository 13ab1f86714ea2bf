-- Whether reviewers here need a second factor: 'optional' or 'required'.
create or replace function tenancy.require_second_factor(mode text)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform tenancy.reviewer_of('configure', tenant => null);
  if mode not in ('optional', 'required') then
    raise exception 'a second factor can be optional or required, not "%"', mode using errcode = '22023';
  end if;
  if mode = 'required' and not tenancy.factor_shown((tenancy.claims()->>'sid')::uuid) then
    raise exception 'this would lock you out, because your session has shown no second factor: enrol first'
      using errcode = '55000', hint = 'ward totp enroll';
  end if;
  update tenancy.setting set second_factor = mode;
  perform audit.write(
    tenancy.installation(), 'configure', 'ok', jsonb_build_object('what', 'second factor', 'mode', mode)::text
  );
end $$;

grant execute on function tenancy.require_second_factor to ward_reviewer;
