-- The applications, after a look at them (tenancy.browse).
create or replace function tenancy.list_applications()
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform tenancy.the_ask('list:applications');
  return query select jsonb_build_object(
    'aud', a.aud, 'login_role', a.login_role, 'note', a.note, 'created_at', a.created_at
  )
  from tenancy.application a
  order by a.created_at, a.aud;
end $$;

grant execute on function tenancy.list_applications to ward_reviewer;
