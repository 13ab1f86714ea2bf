-- Ends a suppression before its time.
create or replace function review.end_suppression(id text, reason text)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  the_suppression review.suppression := review.suppression_within(id);
  event_id bigint;
begin
  if the_suppression.ended_at is not null or the_suppression.expires_at <= clock_timestamp() then
    raise exception 'this suppression is % already: there is nothing to end', review.suppression_state(the_suppression)
      using errcode = '55000';
  end if;
  event_id := audit.write(
    tenant => the_suppression.tenant_id, action => 'suppress',
    detail => jsonb_build_object(
      'what', 'ended', 'suppression', the_suppression.id, 'reason', core.require_reason(reason)
    )::text,
    subject_id => the_suppression.patient_id, purpose => 'audit'
  );
  update review.suppression s set ended_by = tenancy.user_id(), ended_at = clock_timestamp()
  where s.id = the_suppression.id returning * into the_suppression;
  return review.suppression_row(the_suppression) || jsonb_build_object('event_id', event_id);
end $$;

grant execute on function review.end_suppression to ward_reviewer;
