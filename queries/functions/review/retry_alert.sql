-- Lets the failed deliveries of an alert wait again, for example after a password was corrected.
create or replace function review.retry_alert(alert text)
  returns int
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  who uuid := tenancy.reviewer('ship');
  the_alert review.alert;
  deliveries int;
begin
  if alert !~ '^[0-9a-fA-F-]{8,36}$' then
    raise exception '"%" is not an alert id: give at least its first eight characters', alert using errcode = '22023';
  end if;
  begin
    select * into strict the_alert
    from review.alert al
    where starts_with(al.id::text, lower(alert))
      and case
        when al.tenant_id = tenancy.installation() then tenancy.reaches_all(who, 'ship')
        else tenancy.reaches(who, al.tenant_id, 'ship')
      end;
  exception
    when no_data_found then
      raise exception 'no alert "%" within your reach', alert
        using errcode = '02000', hint = 'ward notify list shows them';
    when too_many_rows then
      raise exception 'more than one alert begins with "%": give more of the id', alert
        using errcode = '22023', hint = 'ward notify list --json shows whole ids';
  end;
  update review.delivery d set state = 'waiting', done_at = null where d.alert_id = the_alert.id and d.state = 'failed';
  get diagnostics deliveries = row_count;
  if deliveries = 0 then
    raise exception 'no delivery of alert % has failed', left(the_alert.id::text, 8)
      using errcode = '55000', hint = 'ward notify list shows them';
  end if;
  perform audit.write(
    tenant => the_alert.tenant_id, action => 'ship',
    detail => jsonb_build_object('what', 'alert retry', 'alert', the_alert.id, 'deliveries', deliveries)::text,
    purpose => 'audit'
  );
  return deliveries;
end $$;

grant execute on function review.retry_alert to ward_reviewer;
