create or replace function review.approve_suppression(id text, reason text)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  s review.suppression := review.suppression_within(id);
  who uuid := tenancy.user_id();
  e bigint;
begin
  if s.created_by = any (tenancy.accounts_of(who)) then
    raise exception 'you asked for this suppression yourself: somebody else approves it' using errcode = 'WARD2';
  end if;
  if review.suppression_about(s, who) then
    raise exception 'this suppression is about yourself: somebody else approves it' using errcode = 'WARD6';
  end if;
  if review.suppression_state(s) <> 'pending' then
    raise exception 'this suppression is %', review.suppression_state(s) using errcode = '55000';
  end if;
  e := audit.write(
    s.tenant_id, 'suppress', 'ok',
    jsonb_build_object('what', 'approved', 'suppression', s.id, 'reason', core.require_reason(reason))::text,
    null, null, s.patient_id, 'audit'
  );
  update review.suppression x set approved_by = who, approved_at = clock_timestamp()
  where x.id = s.id returning * into s;
  return review.suppression_row(s) || jsonb_build_object('event_id', e);
end $$;

grant execute on function review.approve_suppression to ward_reviewer;
