-- A tenant by slug or id; the same answer for one that does not exist and one out of reach.
create or replace function tenancy.tenant_named(named text, action text)
  returns uuid
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  match uuid;
  who uuid := tenancy.reviewer(action);
begin
  select t.id into match
  from tenancy.tenant t
  where (t.slug = named or t.id::text = named) and tenancy.reaches(who, t.id, action);
  if match is null then
    raise exception 'no clinic "%" within your reach', named
      using errcode = '02000', hint = 'ward tenant list shows those you reach';
  end if;
  return match;
end $$;
