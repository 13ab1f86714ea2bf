-- The suppressions that end within two weeks. What they hold back comes to the queue then.
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
        'id', ending.id, 'rule_id', ending.rule_id, 'tenant', t.slug, 'expires_at', ending.expires_at
      ) order by ending.expires_at, ending.id),
      '[]'
    )
    from (
      select *
      from review.suppression s
      where s.approved_at is not null
        and s.ended_at is null
        and s.expires_at between clock_timestamp() and clock_timestamp() + interval '14 days'
      order by s.expires_at, s.id limit 50
    ) ending
      join tenancy.tenant t on t.id = ending.tenant_id
  );
end $$;
