-- Records that somebody was notified of a breach, and where that is proven.
create or replace function review.noticed(
  anomaly text, expected_version int, recipient text, made_on date, reference text
)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  the_anomaly review.anomaly := review.anomaly_within(anomaly, 'note');
  who uuid := tenancy.user_id();
  changed jsonb;
begin
  if the_anomaly.state <> 'closed' or the_anomaly.disposition <> 'breach' then
    raise exception 'this anomaly is not closed as a breach: there is no notice to record' using errcode = '55000';
  end if;
  if not exists (select from review.notification_deadlines(the_anomaly) d where d.recipient = noticed.recipient) then
    raise exception 'nobody has to notify "%" of this breach', recipient using errcode = '22023',
        hint = 'the recipients are '
            || (select string_agg(d.recipient, ', ') from review.notification_deadlines(the_anomaly) d);
  end if;
  if made_on is null or made_on not between the_anomaly.discovered_on and core.today() then
    raise exception 'a notice is made between the discovery (%) and today, not on %',
      the_anomaly.discovered_on, coalesce(made_on::text, 'no day')
      using errcode = '22023';
  end if;
  changed := review.change(
    anomaly => the_anomaly, expected_version => expected_version, action => 'note', to_state => the_anomaly.state,
    who => who, reason => 'notice made: ' || recipient,
    extra => jsonb_build_object('notice', recipient, 'made_on', made_on)
  );
  insert into review.notice (anomaly_id, recipient, made_on, reference, by_user, event_id)
  values (
    the_anomaly.id, noticed.recipient, noticed.made_on, core.require_reason(reference), who,
    (changed->>'event_id')::bigint
  );
  perform review.settle(the_anomaly.id, who);
  return changed;
end $$;

grant execute on function review.noticed to ward_reviewer;
