-- Makes an empty database an installation of one region with its first administrator. Refused once anybody exists.
create or replace function tenancy.init(region text, slug text, name text, password text)
  returns uuid
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  installation uuid;
  person uuid;
begin
  perform pg_advisory_xact_lock(hashtext('ward init'));
  if exists (select from tenancy.users) then
    raise exception 'this database is initialised already'
      using errcode = '55000', hint = 'ward login, then ward user add';
  end if;
  perform tenancy.new_password(password);
  insert into tenancy.region (name) values (init.region);
  insert into tenancy.instance (region) values (init.region);
  insert into tenancy.tenant (slug, name, region, kind)
  values ('installation', 'Installation', init.region, 'installation') returning id into installation;
  perform tenancy.rotate_key();
  insert into tenancy.users (slug, name, kind) values ('ward-worker', 'ward worker', 'service');
  insert into tenancy.users (slug, name, kind, password_hash)
  values (init.slug, init.name, 'human', public.crypt(password, public.gen_salt('bf', 10))) returning id into person;
  insert into tenancy.reviewer_grant (user_id, role, reason) values (person, 'administrator', 'first administrator');
  perform audit.write_as(
    installation, who => person, session => null, membership => null, action => 'configure', outcome => 'ok',
    detail => jsonb_build_object('what', 'init', 'region', init.region, 'administrator', person)::text
  );
  return person;
end $$;

grant execute on function tenancy.init to ward_migrate;
