-- Approves a suppression that another person asked for and that is not about the approver.
create or replace function review.approve_suppression(id text, reason text)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  the_suppression review.suppression := review.suppression_within(id);
  who uuid := tenancy.user_id();
  event_id bigint;
begin
  if the_suppression.created_by = any (tenancy.accounts_of(who)) then
    raise exception 'you asked for this suppression yourself: somebody else approves it' using errcode = 'WARD2';
  end if;
  if review.suppression_about(the_suppression, who) then
    raise exception 'this suppression is about yourself: somebody else approves it' using errcode = 'WARD6';
  end if;
  if review.suppression_state(the_suppression) <> 'pending' then
    raise exception 'this suppression is %: only a pending one can be approved',
      review.suppression_state(the_suppression)
      using errcode = '55000';
  end if;
  event_id := audit.write(
    tenant => the_suppression.tenant_id, action => 'suppress',
    detail => jsonb_build_object(
      'what', 'approved', 'suppression', the_suppression.id, 'reason', core.require_reason(reason)
    )::text,
    subject_id => the_suppression.patient_id, purpose => 'audit'
  );
  update review.suppression s set approved_by = who, approved_at = clock_timestamp()
  where s.id = the_suppression.id returning * into the_suppression;
  return review.suppression_row(the_suppression) || jsonb_build_object('event_id', event_id);
end $$;

grant execute on function review.approve_suppression to ward_reviewer;
