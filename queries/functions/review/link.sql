-- Links two anomalies as related.
create or replace function review.link(anomaly text, other text, reason text)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  the_anomaly review.anomaly := review.anomaly_within(anomaly, 'note');
  other_anomaly review.anomaly := review.anomaly_within(other, 'note');
  who uuid := tenancy.user_id();
  event_id bigint;
begin
  if the_anomaly.id = other_anomaly.id then
    raise exception 'an anomaly cannot be linked to itself' using errcode = '22023';
  end if;
  event_id := audit.write(
    tenant => the_anomaly.tenant_id, action => 'note',
    detail => jsonb_build_object('anomaly', the_anomaly.id, 'linked_to', other_anomaly.id)::text,
    subject_id => the_anomaly.subject_id, purpose => 'audit'
  );
  insert into review.link (anomaly_id, other_id, kind, reason, by_user)
  values (the_anomaly.id, other_anomaly.id, 'related', core.require_reason(reason), who);
  return jsonb_build_object(
    'id', the_anomaly.id, 'state', the_anomaly.state, 'version', the_anomaly.version, 'event_id', event_id
  );
exception when unique_violation then raise exception 'these two anomalies are linked already' using errcode = '23505';
end $$;

grant execute on function review.link to ward_reviewer;
