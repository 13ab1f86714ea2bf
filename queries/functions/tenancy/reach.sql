-- The clinics that a reviewer may do that in; null: every one.
create or replace function tenancy.reach(who uuid, action text)
  returns uuid[]
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  found_ids uuid[];
  everywhere boolean;
begin
  select coalesce(bool_or(g.tenant_id is null), false),
    coalesce(array_agg(g.tenant_id) filter (where g.tenant_id is not null), '{}')
  into everywhere, found_ids
  from tenancy.grant_in_force g join tenancy.reviewer_action a on a.role = g.role and a.action = reach.action
  where g.user_id = who;
  return case when not everywhere then found_ids end;
end $$;
