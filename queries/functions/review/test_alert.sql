-- Records that a reviewer is about to send a test message to each of these targets.
create or replace function review.test_alert(targets text[])
  returns bigint
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform tenancy.reviewer_of(action => 'ship', tenant => null);
  return audit.write(
    tenant => tenancy.installation(), action => 'ship',
    detail => jsonb_build_object('what', 'alert test', 'targets', targets)::text,
    purpose => 'audit'
  );
end $$;

grant execute on function review.test_alert to ward_reviewer;
