-- Notes something on an anomaly. The event holds the hash of the text.
create or replace function review.note(anomaly text, said text)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  the_anomaly review.anomaly := review.anomaly_within(anomaly, 'note');
  who uuid := tenancy.user_id();
  event_id bigint;
begin
  if btrim(coalesce(said, ''), E' \t\r\n') = '' then
    raise exception 'a note needs text, and this one has none' using errcode = '22023';
  end if;
  event_id := audit.write(
    tenant => the_anomaly.tenant_id, action => 'note',
    detail => jsonb_build_object(
      'anomaly', the_anomaly.id, 'sha256', encode(sha256(convert_to(said, 'utf8')), 'hex')
    )::text,
    subject_id => the_anomaly.subject_id, purpose => 'audit'
  );
  insert into review.note (anomaly_id, by_user, text) values (the_anomaly.id, who, said);
  return jsonb_build_object(
    'id', the_anomaly.id, 'state', the_anomaly.state, 'version', the_anomaly.version, 'event_id', event_id
  );
end $$;

grant execute on function review.note to ward_reviewer;
