-- The legal holds within reach, under the lease of list:archive: those in force first.
create or replace function audit.list_holds()
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare who uuid := tenancy.user_id();
begin
  perform tenancy.the_ask('list:archive');
  return query select jsonb_build_object(
    'id', h.id, 'tenant', t.slug, 'month', h.month, 'reason', h.reason, 'placed_by', placer.slug,
    'placed_at', h.placed_at, 'lifted_by', lifter.slug, 'lifted_at', h.lifted_at, 'lift_reason', h.lift_reason
  )
  from audit.hold h
    join tenancy.users placer on placer.id = h.placed_by
    left join tenancy.users lifter on lifter.id = h.lifted_by
    left join tenancy.tenant t on t.id = h.tenant_id
  where tenancy.reaches(who, h.tenant_id, 'browse')
  order by h.lifted_at is not null, h.placed_at desc;
end $$;

grant execute on function audit.list_holds to ward_reviewer;
