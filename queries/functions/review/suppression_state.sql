-- The state of a suppression: pending, approved, active, expiring (within two weeks), expired or ended.
create or replace function review.suppression_state(suppression review.suppression)
  returns text
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select case
    when suppression.ended_at is not null then 'ended'
    when suppression.expires_at <= clock_timestamp() then 'expired'
    when suppression.approved_by is null then 'pending'
    when suppression.starts_at > clock_timestamp() then 'approved'
    when suppression.expires_at <= clock_timestamp() + interval '14 days' then 'expiring'
    else 'active'
  end
$$;
