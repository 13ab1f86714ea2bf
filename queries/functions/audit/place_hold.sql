-- Places a legal hold on a clinic, a month or both. The permission that a compliance officer has for the archive is
-- 'ship'.
create or replace function audit.place_hold(tenant text, month text, reason text)
  returns uuid
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  who uuid := tenancy.reviewer('ship');
  clinic uuid;
  hold uuid;
begin
  reason := core.require_reason(reason);
  if tenant is null and month is null then
    raise exception 'a legal hold needs a clinic, a month, or both: neither was given' using errcode = '22023';
  end if;
  if month !~ '^[0-9]{4}-(0[1-9]|1[0-2])$' then
    raise exception '"%" is not a month: write it as YYYY-MM', month using errcode = '22023';
  end if;
  if tenant is not null then clinic := tenancy.tenant_named(tenant, 'ship'); end if;
  perform tenancy.reviewer_of('ship', clinic);  -- a month is every clinic's
  insert into audit.hold (tenant_id, month, reason, placed_by)
  values (clinic, place_hold.month, place_hold.reason, who) returning id into hold;
  perform audit.write(
    tenant => coalesce(clinic, tenancy.installation()), action => 'configure',
    detail => jsonb_build_object('what', 'archive hold', 'hold', hold, 'month', month, 'reason', reason)::text,
    purpose => 'audit'
  );
  return hold;
end $$;

grant execute on function audit.place_hold to ward_reviewer;
