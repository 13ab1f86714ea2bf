-- The newest 500 verifications, under the lease of list:verifications.
create or replace function audit.list_verifications()
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform tenancy.the_ask('list:verifications');
  return query select jsonb_build_object(
    'id', v.id, 'by', u.slug, 'started_at', v.started_at, 'finished_at', v.finished_at, 'store', v.store,
    'region', v.region, 'whole', v.tenant is null, 'months', v.months, 'verdict', v.verdict, 'head_size', v.head_size,
    'breaks', v.breaks, 'by_workers', v.by_workers, 'found', v.found
  )
  from audit.verification v join tenancy.users u on u.id = v.user_id
  order by v.started_at desc limit 500;
end $$;

grant execute on function audit.list_verifications to ward_reviewer;
