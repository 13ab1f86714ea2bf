create or replace function audit.lift_hold(hold text, reason text)
  returns uuid
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  who uuid := tenancy.reviewer('ship');
  h audit.hold;
  n int;
begin
  if length(btrim(coalesce(reason, ''), E' \t\r\n')) < 4 then
    raise exception 'lifting a legal hold needs a reason of at least four characters' using errcode = '22023';
  end if;
  select count(*) into n
  from audit.hold x
  where length(hold) >= 8
    and starts_with(x.id::text, hold)
    and x.lifted_at is null
    and case
      when x.tenant_id is null then tenancy.reaches_all(who, 'ship')
      else tenancy.reaches(who, x.tenant_id, 'ship')
    end;
  if n <> 1 then
    raise exception '% legal holds in force within your reach have the id "%"', n, hold
      using errcode = '02000', hint = 'ward archive holds lists them; eight digits of an id are enough';
  end if;
  update audit.hold x set lifted_by = who, lifted_at = clock_timestamp(), lift_reason = lift_hold.reason
  where starts_with(x.id::text, hold)
    and x.lifted_at is null
    and case
      when x.tenant_id is null then tenancy.reaches_all(who, 'ship')
      else tenancy.reaches(who, x.tenant_id, 'ship')
    end
  returning * into h;
  perform audit.write(
    coalesce(h.tenant_id, tenancy.installation()), 'configure', 'ok',
    jsonb_build_object('what', 'archive hold lifted', 'hold', h.id, 'reason', reason)::text,
    null, null, null, 'audit'
  );
  return h.id;
end $$;

grant execute on function audit.lift_hold to ward_reviewer;
