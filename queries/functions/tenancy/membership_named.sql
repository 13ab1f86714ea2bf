-- One membership by id (or its first characters) within reach.
create or replace function tenancy.membership_named(membership text, action text)
  returns tenancy.membership
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  match tenancy.membership;
  who uuid := tenancy.reviewer(action);
  matches int;
begin
  if membership !~ '^[0-9a-fA-F-]{4,36}$' then
    raise exception '"%" is not a membership id, nor the first four or more characters of one', membership
      using errcode = '22023', hint = 'ward member list shows them';
  end if;
  select count(*) into matches
  from tenancy.membership m
  where starts_with(m.id::text, lower(membership)) and tenancy.reaches(who, m.tenant_id, action);
  if matches <> 1 then
    raise exception '% memberships within your reach have an id that begins with "%": name one', matches, membership
      using errcode = '02000', hint = 'ward member list shows them';
  end if;
  select * into match
  from tenancy.membership m
  where starts_with(m.id::text, lower(membership)) and tenancy.reaches(who, m.tenant_id, action);
  return match;
end $$;
