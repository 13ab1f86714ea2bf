-- A file of at most 5 MiB, twenty to an anomaly.
create or replace function review.attach(anomaly text, name text, content bytea)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  a review.anomaly := review.anomaly_within(anomaly, 'note');
  who uuid := tenancy.user_id();
  e bigint;
  h bytea := sha256(content);
  n int := octet_length(content);
begin
  if coalesce(n, 0) not between 1 and 5242880 then
    raise exception 'a file has 1 byte to 5 MiB, this one has % bytes', coalesce(n, 0) using errcode = '22023';
  end if;
  if coalesce(name, '') !~ '^[^/\\[:cntrl:]]{1,200}$' then
    raise exception 'a file''s name has 1 to 200 characters, no slash and no control character' using errcode = '22023';
  end if;
  perform 1 from review.anomaly x where x.id = a.id for update;
  if (select count(*) from review.attachment x where x.anomaly_id = a.id) >= 20 then
    raise exception 'twenty files are attached already' using errcode = '54000';
  end if;
  if exists (select from review.attachment x where x.anomaly_id = a.id and x.sha256 = h) then
    raise exception 'this file is attached already' using errcode = '23505';
  end if;
  e := audit.write(
    a.tenant_id, 'note', 'ok',
    jsonb_build_object('anomaly', a.id, 'file_sha256', encode(h, 'hex'), 'bytes', n)::text,
    null, null, a.subject_id, 'audit'
  );
  insert into review.attachment (anomaly_id, sha256, name, bytes, content, by_user, event_id)
  values (a.id, h, attach.name, n, attach.content, who, e);
  return jsonb_build_object('id', a.id, 'state', a.state, 'version', a.version, 'event_id', e);
end $$;

grant execute on function review.attach to ward_reviewer;
