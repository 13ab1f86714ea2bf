-- A compliance officer's, whose permission for the archive is 'ship'.
create or replace function audit.place_hold(tenant text, month text, reason text)
  returns uuid
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  who uuid := tenancy.reviewer('ship');
  t uuid;
  h uuid;
begin
  if length(btrim(coalesce(reason, ''), E' \t\r\n')) < 4 then
    raise exception 'a legal hold needs a reason of at least four characters' using errcode = '22023';
  end if;
  if tenant is null and month is null then
    raise exception 'a legal hold is on a clinic, a month, or both' using errcode = '22023';
  end if;
  if month !~ '^[0-9]{4}-(0[1-9]|1[0-2])$' then
    raise exception 'a month is YYYY-MM, not "%"', month using errcode = '22023';
  end if;
  if tenant is not null then t := tenancy.tenant_named(tenant, 'ship'); end if;
  perform tenancy.reviewer_of('ship', t);  -- a month is every clinic's
  insert into audit.hold (tenant_id, month, reason, placed_by)
  values (t, place_hold.month, place_hold.reason, who) returning id into h;
  perform audit.write(
    coalesce(t, tenancy.installation()), 'configure', 'ok',
    jsonb_build_object('what', 'archive hold', 'hold', h, 'month', month, 'reason', reason)::text,
    null, null, null, 'audit'
  );
  return h;
end $$;

grant execute on function audit.place_hold to ward_reviewer;
