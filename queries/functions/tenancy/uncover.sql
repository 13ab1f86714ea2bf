-- Ends a coverage before its time (tenancy.cover).
create or replace function tenancy.uncover(id uuid)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare clinic uuid := tenancy.tenant_id();
begin
  if clinic is null then
    raise exception 'no identity: tenancy.begin(token) comes first' using errcode = '28000';
  end if;
  update tenancy.coverage c set void_at = clock_timestamp()
  where c.id = uncover.id and c.tenant_id = clinic and c.void_at is null;
  if not found then
    raise exception 'this clinic has no coverage % that has not ended', id using errcode = '02000';
  end if;
  perform audit.write(
    clinic, 'configure', 'ok',
    detail => jsonb_build_object('what', 'coverage ended', 'coverage', id)::text,
    purpose => 'operations'
  );
end $$;

grant execute on function tenancy.uncover to ward_app;
