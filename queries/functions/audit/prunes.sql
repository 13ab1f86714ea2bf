-- Whether a person has a grant over all clinics, in force now, that permits pruning.
create or replace function audit.prunes(who uuid)
  returns boolean
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select from tenancy.grant_in_force g
      join tenancy.reviewer_action ra on ra.role = g.role and ra.action = 'prune'
      join tenancy.users u on u.id = g.user_id
    where g.user_id = who
      and g.tenant_id is null
      and u.disabled_at is null
  )
$$;
