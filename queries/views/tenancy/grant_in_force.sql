-- A reviewer's grants in force now: begun, not ended, not run out. What gives a right by a grant asks here.
--
-- Not these, which ask for ended_at or expires_at alone, because a grant that has not begun yet counts for them too
-- (the server's clock may have gone back since it was given):
--   end_grant, disable_user and left_behind, which show or do what ends;
--   one_on_call, end_on_call, remove_on_call and list_on_call, which count on-call grants;
--   keep_administrator, which wants one that never ends;
--   list_grants, which lists them all, and tick, which moves them.
create or replace view tenancy.grant_in_force as
  select g.id, g.user_id, g.role, g.tenant_id, g.granted_by, g.reason, g.ticket, g.starts_at, g.expires_at
  from tenancy.reviewer_grant g
  where g.ended_at is null
    and g.starts_at <= clock_timestamp()
    and (g.expires_at is null or g.expires_at > clock_timestamp());
