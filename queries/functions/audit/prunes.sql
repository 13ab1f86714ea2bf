create or replace function audit.prunes(who uuid)
  returns boolean
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select from tenancy.reviewer_grant g
      join tenancy.reviewer_action a on a.role = g.role and a.action = 'prune'
      join tenancy.users u on u.id = g.user_id
    where g.user_id = who
      and g.tenant_id is null
      and u.disabled_at is null
      and g.ended_at is null
      and g.starts_at <= clock_timestamp()
      and (g.expires_at is null or g.expires_at > clock_timestamp())
  )
$$;
