create or replace function tenancy.own_service(who text, owner text)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  gate uuid := tenancy.reviewer('configure');
  u tenancy.users := tenancy.service_named(who);
  o uuid := tenancy.user_named(owner);
begin
  perform tenancy.reviewer_of_service('configure', u.id);
  if not exists (select from tenancy.users x where x.id = o and x.kind = 'human' and x.disabled_at is null) then
    raise exception '% is disabled or a service account: a person answers for one', owner using errcode = '22023';
  end if;
  update tenancy.users x set owner_id = o where x.id = u.id;
  perform audit.write(
    tenancy.installation(), 'configure', 'ok',
    jsonb_build_object('what', 'service own', 'user', u.id, 'owner', o, 'was', u.owner_id)::text
  );
end $$;

grant execute on function tenancy.own_service to ward_reviewer;
