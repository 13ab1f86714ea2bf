-- Makes an empty database an installation of one region with its first administrator. Refused once anybody exists.
create or replace function tenancy.init(region text, slug text, name text, password text)
  returns uuid
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  t uuid;
  u uuid;
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
  values ('installation', 'Installation', init.region, 'installation') returning id into t;
  perform tenancy.rotate_key();
  insert into tenancy.users (slug, name, kind) values ('ward-worker', 'ward worker', 'service');
  insert into tenancy.users (slug, name, kind, password_hash)
  values (init.slug, init.name, 'human', public.crypt(password, public.gen_salt('bf', 10))) returning id into u;
  insert into tenancy.reviewer_grant (user_id, role, reason) values (u, 'administrator', 'first administrator');
  perform audit.write_as(
    t, u, null, null, 'configure', 'ok',
    jsonb_build_object('what', 'init', 'region', init.region, 'administrator', u)::text
  );
  return u;
end $$;

grant execute on function tenancy.init to ward_migrate;
