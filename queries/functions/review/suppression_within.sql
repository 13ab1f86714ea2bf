-- The suppression within the reviewer's reach whose id begins so, locked.
create or replace function review.suppression_within(id text)
  returns review.suppression
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  the_suppression review.suppression;
  who uuid := tenancy.reviewer('suppress');
  the_id uuid;
  matches int;
begin
  if id !~ '^[0-9a-fA-F-]{4,36}$' then
    raise exception '"%" is not the id of a suppression: give at least its first four characters', id
      using errcode = '22023';
  end if;
  select count(*), (array_agg(s.id))[1] into matches, the_id
  from review.suppression s
  where starts_with(s.id::text, lower(suppression_within.id)) and tenancy.reaches(who, s.tenant_id, 'suppress');
  if matches > 1 then
    raise exception '% suppressions begin with "%": give more of the id', matches, id using errcode = '22023';
  end if;
  if matches = 0 then
    raise exception 'no suppression "%" within your reach', id
      using errcode = '02000', hint = 'ward suppress list shows them';
  end if;
  select * into the_suppression from review.suppression s where s.id = the_id for update;
  return the_suppression;
end $$;
