-- Gives a service account another owner.
create or replace function tenancy.own_service(who text, owner text)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  gate uuid := tenancy.reviewer('configure');
  account tenancy.users := tenancy.service_named(who);
  new_owner uuid := tenancy.user_named(owner);
begin
  perform tenancy.reviewer_of_service('configure', account.id);
  if not exists (select from tenancy.users u where u.id = new_owner and u.kind = 'human' and u.disabled_at is null) then
    raise exception '% is disabled or a service account, and a service account needs a person who answers for it', owner
      using errcode = '55000';
  end if;
  update tenancy.users u set owner_id = new_owner where u.id = account.id;
  perform audit.write(
    tenancy.installation(), 'configure', 'ok',
    jsonb_build_object('what', 'service own', 'user', account.id, 'owner', new_owner, 'was', account.owner_id)::text
  );
end $$;

grant execute on function tenancy.own_service to ward_reviewer;
