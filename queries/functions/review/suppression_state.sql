create or replace function review.suppression_state(s review.suppression)
  returns text
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select case
    when s.ended_at is not null then 'ended'
    when s.expires_at <= clock_timestamp() then 'expired'
    when s.approved_by is null then 'pending'
    when s.starts_at > clock_timestamp() then 'approved'
    when s.expires_at <= clock_timestamp() + interval '14 days' then 'expiring'
    else 'active'
  end
$$;
