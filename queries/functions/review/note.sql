create or replace function review.note(anomaly text, said text)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  a review.anomaly := review.anomaly_within(anomaly, 'note');
  who uuid := tenancy.user_id();
  e bigint;
begin
  if btrim(coalesce(said, ''), E' \t\r\n') = '' then
    raise exception 'a note needs text' using errcode = '22023';
  end if;
  e := audit.write(
    a.tenant_id, 'note', 'ok',
    jsonb_build_object('anomaly', a.id, 'sha256', encode(sha256(convert_to(said, 'utf8')), 'hex'))::text,
    null, null, a.subject_id, 'audit'
  );
  insert into review.note (anomaly_id, by_user, text) values (a.id, who, said);
  return jsonb_build_object('id', a.id, 'state', a.state, 'version', a.version, 'event_id', e);
end $$;

grant execute on function review.note to ward_reviewer;
