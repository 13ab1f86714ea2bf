create or replace function tenancy.close_grant(g tenancy.reviewer_grant, reason text)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  update tenancy.reviewer_grant x set ended_at = clock_timestamp() where x.id = g.id and x.ended_at is null;
  perform audit.write(
    coalesce(g.tenant_id, tenancy.installation()), 'revoke', 'ok',
    jsonb_build_object('grant', g.id, 'user', g.user_id, 'role', g.role, 'reason', core.require_reason(reason))::text
  );
end $$;
