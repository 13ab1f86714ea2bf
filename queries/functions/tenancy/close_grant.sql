-- Ends a grant. Its caller has asked who may.
create or replace function tenancy.close_grant(held tenancy.reviewer_grant, reason text)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  update tenancy.reviewer_grant g set ended_at = clock_timestamp() where g.id = held.id and g.ended_at is null;
  perform audit.write(
    coalesce(held.tenant_id, tenancy.installation()), 'revoke', 'ok',
    jsonb_build_object(
      'grant', held.id, 'user', held.user_id, 'role', held.role, 'reason', core.require_reason(reason)
    )::text
  );
end $$;
