-- Whether a person has a grant over all clinics, in force now, that permits pruning.
create or replace function audit.prunes(who uuid)
  returns boolean
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select from tenancy.reviewer_grant rg
      join tenancy.reviewer_action ra on ra.role = rg.role and ra.action = 'prune'
      join tenancy.users u on u.id = rg.user_id
    where rg.user_id = who
      and rg.tenant_id is null
      and u.disabled_at is null
      and rg.ended_at is null
      and rg.starts_at <= clock_timestamp()
      and (rg.expires_at is null or rg.expires_at > clock_timestamp())
  )
$$;
