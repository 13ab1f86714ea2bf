-- Whether a person has a place to review: a grant in force, or a standing on call, with which they may take a grant and
-- do nothing else until then.
create or replace function tenancy.may_review(who uuid)
  returns boolean
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  return exists (
    select from tenancy.grant_in_force g
    where g.user_id = who
  )
    or exists (select from tenancy.on_call o where o.user_id = who and o.removed_at is null);
end $$;

grant execute on function tenancy.may_review to ward_keys;
