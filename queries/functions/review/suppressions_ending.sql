-- The suppressions that end within two weeks, where this installation has any: what they hold back then comes to the
-- queue.
create or replace function review.suppressions_ending()
  returns jsonb
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if to_regclass('review.suppression') is null then return '[]'; end if;
  return (
    select coalesce(
      jsonb_agg(jsonb_build_object(
        'id', s.id, 'rule_id', s.rule_id, 'tenant', t.slug, 'expires_at', s.expires_at
      ) order by s.expires_at, s.id),
      '[]'
    )
    from (
      select *
      from review.suppression x
      where x.approved_at is not null
        and x.ended_at is null
        and x.expires_at between clock_timestamp() and clock_timestamp() + interval '14 days'
      order by x.expires_at, x.id limit 50
    ) s
      join tenancy.tenant t on t.id = s.tenant_id
  );
end $$;
