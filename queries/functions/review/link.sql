create or replace function review.link(anomaly text, other text, reason text)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  a review.anomaly := review.anomaly_within(anomaly, 'note');
  b review.anomaly := review.anomaly_within(other, 'note');
  who uuid := tenancy.user_id();
  e bigint;
begin
  if a.id = b.id then raise exception 'an anomaly is linked to another one' using errcode = '22023'; end if;
  e := audit.write(
    a.tenant_id, 'note', 'ok',
    jsonb_build_object('anomaly', a.id, 'linked_to', b.id)::text,
    null, null, a.subject_id, 'audit'
  );
  insert into review.link (anomaly_id, other_id, kind, reason, by_user)
  values (a.id, b.id, 'related', core.require_reason(reason), who);
  return jsonb_build_object('id', a.id, 'state', a.state, 'version', a.version, 'event_id', e);
exception when unique_violation then raise exception 'these two are linked already' using errcode = '23505';
end $$;

grant execute on function review.link to ward_reviewer;
