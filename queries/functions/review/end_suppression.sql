create or replace function review.end_suppression(id text, reason text)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  s review.suppression := review.suppression_within(id);
  e bigint;
begin
  if s.ended_at is not null or s.expires_at <= clock_timestamp() then
    raise exception 'this suppression is %', review.suppression_state(s) using errcode = '55000';
  end if;
  e := audit.write(
    s.tenant_id, 'suppress', 'ok',
    jsonb_build_object('what', 'ended', 'suppression', s.id, 'reason', core.require_reason(reason))::text,
    null, null, s.patient_id, 'audit'
  );
  update review.suppression x set ended_by = tenancy.user_id(), ended_at = clock_timestamp()
  where x.id = s.id returning * into s;
  return review.suppression_row(s) || jsonb_build_object('event_id', e);
end $$;

grant execute on function review.end_suppression to ward_reviewer;
