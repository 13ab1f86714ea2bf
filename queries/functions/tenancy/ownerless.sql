-- A service account without anybody who answers for it: the owner has left.
create or replace function tenancy.ownerless(service tenancy.users)
  returns boolean
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
  select not exists (
    select from tenancy.users owner
    where owner.id = service.owner_id
      and owner.disabled_at is null
      and (
        exists (select from tenancy.membership m where m.user_id = owner.id and m.terminated_at is null)
        or exists (
          select from tenancy.grant_in_force g
          where g.user_id = owner.id
        )
      )
  )
$$;
