create or replace function tenancy.uncover(id uuid)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare t uuid := tenancy.tenant_id();
begin
  if t is null then raise exception 'no identity: tenancy.begin() comes first' using errcode = '42501'; end if;
  update tenancy.coverage c set void_at = clock_timestamp()
  where c.id = uncover.id and c.tenant_id = t and c.void_at is null;
  if not found then
    raise exception 'no coverage % at this clinic that has not ended', id using errcode = '02000';
  end if;
  perform audit.write(
    t, 'configure', 'ok',
    jsonb_build_object('what', 'coverage ended', 'coverage', id)::text,
    null, null, null, 'operations'
  );
end $$;

grant execute on function tenancy.uncover to ward_app;
