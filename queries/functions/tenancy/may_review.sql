create or replace function tenancy.may_review(who uuid)
  returns boolean
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  -- may take a grant, and nothing else until then
  return exists (
    select from tenancy.reviewer_grant g
    where g.user_id = who
      and g.ended_at is null
      and g.starts_at <= clock_timestamp()
      and (g.expires_at is null or g.expires_at > clock_timestamp())
  )
    or exists (select from tenancy.on_call o where o.user_id = who and o.removed_at is null);
end $$;

grant execute on function tenancy.may_review to ward_keys;
