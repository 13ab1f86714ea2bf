-- Failed deliveries of an alert wait again, say after a password was put right.
create or replace function review.retry_alert(alert text)
  returns int
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  who uuid := tenancy.reviewer('ship');
  n review.alert;
  k int;
begin
  if alert !~ '^[0-9a-fA-F-]{8,36}$' then
    raise exception '"%" is not an alert id: give at least its first eight characters', alert using errcode = '22023';
  end if;
  select * into strict n
  from review.alert x
  where starts_with(x.id::text, lower(alert))
    and case
      when x.tenant_id = tenancy.installation() then tenancy.reaches_all(who, 'ship')
      else tenancy.reaches(who, x.tenant_id, 'ship')
    end;
  update review.delivery d set state = 'waiting', done_at = null where d.alert_id = n.id and d.state = 'failed';
  get diagnostics k = row_count;
  if k = 0 then
    raise exception 'no delivery of alert % has failed', left(n.id::text, 8)
      using errcode = '55000', hint = 'ward notify list shows them';
  end if;
  perform audit.write(
    n.tenant_id, 'ship', 'ok',
    jsonb_build_object('what', 'alert retry', 'alert', n.id, 'deliveries', k)::text,
    null, null, null, 'audit'
  );
  return k;
exception when no_data_found or too_many_rows then
  raise exception 'no alert, or more than one, begins with "%"', alert
    using errcode = '02000', hint = 'ward notify list --json shows whole ids';
end $$;

grant execute on function review.retry_alert to ward_reviewer;
