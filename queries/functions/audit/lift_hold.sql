-- Lifts the legal hold whose id begins so. A hold on a month is every clinic's, so that it needs a grant over all of
-- them.
create or replace function audit.lift_hold(hold text, reason text)
  returns uuid
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  who uuid := tenancy.reviewer('ship');
  lifted audit.hold;
begin
  reason := core.require_reason(reason);
  begin
    select * into strict lifted
    from audit.hold h
    where length(hold) >= 8
      and starts_with(h.id::text, hold)
      and h.lifted_at is null
      and case
        when h.tenant_id is null then tenancy.reaches_all(who, 'ship')
        else tenancy.reaches(who, h.tenant_id, 'ship')
      end
    for update;
  exception
    when no_data_found then
      raise exception 'no legal hold in force within your reach has the id "%"', hold
        using errcode = '02000', hint = 'ward archive holds lists them; eight characters of an id are enough';
    when too_many_rows then
      raise exception 'more than one legal hold in force has an id that begins with "%"', hold
        using errcode = '02000', hint = 'ward archive holds lists them; give more of the id';
  end;
  update audit.hold h
  set lifted_by = who, lifted_at = clock_timestamp(), lift_reason = lift_hold.reason
  where h.id = lifted.id;
  perform audit.write(
    tenant => coalesce(lifted.tenant_id, tenancy.installation()),
    action => 'configure',
    detail => jsonb_build_object('what', 'archive hold lifted', 'hold', lifted.id, 'reason', reason)::text,
    purpose => 'audit'
  );
  return lifted.id;
end $$;

grant execute on function audit.lift_hold to ward_reviewer;
