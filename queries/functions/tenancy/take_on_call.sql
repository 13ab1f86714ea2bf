-- Takes an on-call grant: the eligible person's own act, for which there is no reviewer's reach to ask for yet.
create or replace function tenancy.take_on_call(tenant text, reason text, ticket text, hours numeric default 4)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  claims jsonb := tenancy.claims();
  who uuid := (claims->>'sub')::uuid;
  clinic tenancy.tenant;
  held tenancy.reviewer_grant;
  now_at timestamptz;
  event_id bigint;
begin
  perform tenancy.reviewing();
  perform tenancy.one_on_call(who);
  -- the same answer for a clinic that there is not and one that this person is not on call for
  select t.* into clinic
  from tenancy.tenant t
  where (t.slug = take_on_call.tenant or t.id::text = take_on_call.tenant)
    and t.kind = 'clinic'
    and exists (
      select from tenancy.on_call o
      where o.user_id = who and o.removed_at is null and (o.tenant_id is null or o.tenant_id = t.id)
    );
  if clinic.id is null then
    raise exception 'you are not on call for a clinic named "%"', tenant
      using errcode = '42501', hint = 'ward whoami shows what you are on call for; an administrator changes it';
  end if;
  if btrim(coalesce(ticket, ''), E' \t\r\n') = '' then
    raise exception 'an on-call grant needs a ticket: name the one of the incident' using errcode = '22023';
  end if;
  if hours is null or hours <= 0 or hours > 4 then
    raise exception 'an on-call grant must last more than 0 and at most 4 hours' using errcode = '22023';
  end if;
  now_at := clock_timestamp();
  insert into tenancy.reviewer_grant (user_id, role, tenant_id, granted_by, reason, ticket, starts_at, expires_at)
  values (
    who, 'on_call_engineer', clinic.id, who, core.require_reason(reason), ticket, now_at,
    now_at + hours * interval '1 hour'
  ) returning * into held;
  event_id := audit.write(clinic.id, 'grant', 'ok', jsonb_build_object(
    'grant', held.id, 'user', who, 'role', held.role, 'tenant', clinic.id, 'reason', reason, 'ticket', ticket,
    'hours', hours
  )::text);
  return jsonb_build_object(
    'grant', held.id, 'tenant', clinic.slug, 'expires_at', held.expires_at, 'event_id', event_id
  );
end $$;

grant execute on function tenancy.take_on_call to ward_reviewer;
