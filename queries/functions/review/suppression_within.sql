create or replace function review.suppression_within(id text)
  returns review.suppression
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  s review.suppression;
  who uuid := tenancy.reviewer('suppress');
  n int;
begin
  if id !~ '^[0-9a-fA-F-]{4,36}$' then
    raise exception '"%" is not the id of a suppression: give at least its first four characters', id
      using errcode = '22023';
  end if;
  select count(*) into n
  from review.suppression x
  where starts_with(x.id::text, lower(suppression_within.id)) and tenancy.reaches(who, x.tenant_id, 'suppress');
  if n > 1 then
    raise exception '% suppressions begin with "%": give more of the id', n, id using errcode = '22023';
  end if;
  select * into s
  from review.suppression x
  where starts_with(x.id::text, lower(suppression_within.id)) and tenancy.reaches(who, x.tenant_id, 'suppress')
  for update;
  if s.id is null then
    raise exception 'no suppression "%" within your reach', id
      using errcode = '02000', hint = 'ward suppress list shows them';
  end if;
  return s;
end $$;
