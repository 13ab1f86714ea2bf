-- A service account without anybody who answers for it: the owner has left.
create or replace function tenancy.ownerless(service tenancy.users)
  returns boolean
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
  select not exists (
    select from tenancy.users o
    where o.id = service.owner_id
      and o.disabled_at is null
      and (
        exists (select from tenancy.membership m where m.user_id = o.id and m.terminated_at is null)
        or exists (
          select from tenancy.reviewer_grant g
          where g.user_id = o.id and g.ended_at is null and (g.expires_at is null or g.expires_at > clock_timestamp())
        )
      )
  )
$$;
