-- Attaches a file to an anomaly: at most 5 MiB each, and twenty files.
create or replace function review.attach(anomaly text, name text, content bytea)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  the_anomaly review.anomaly := review.anomaly_within(anomaly, 'note');
  who uuid := tenancy.user_id();
  event_id bigint;
  digest bytea := sha256(content);
  size int := octet_length(content);
begin
  if coalesce(size, 0) not between 1 and 5242880 then
    raise exception 'a file has 1 byte to 5 MiB, this one has % bytes', coalesce(size, 0) using errcode = '22023';
  end if;
  if coalesce(name, '') !~ '^[^/\\[:cntrl:]]{1,200}$' then
    raise exception 'the name of a file has 1 to 200 characters, no slash and no control character'
      using errcode = '22023';
  end if;
  perform 1 from review.anomaly a where a.id = the_anomaly.id for update;
  if (select count(*) from review.attachment att where att.anomaly_id = the_anomaly.id) >= 20 then
    raise exception 'this anomaly has 20 files, and cannot have more' using errcode = '54000';
  end if;
  if exists (select from review.attachment att where att.anomaly_id = the_anomaly.id and att.sha256 = digest) then
    raise exception 'this file is attached to this anomaly already' using errcode = '23505';
  end if;
  event_id := audit.write(
    tenant => the_anomaly.tenant_id, action => 'note',
    detail => jsonb_build_object('anomaly', the_anomaly.id, 'file_sha256', encode(digest, 'hex'), 'bytes', size)::text,
    subject_id => the_anomaly.subject_id, purpose => 'audit'
  );
  insert into review.attachment (anomaly_id, sha256, name, bytes, content, by_user, event_id)
  values (the_anomaly.id, digest, attach.name, size, attach.content, who, event_id);
  return jsonb_build_object(
    'id', the_anomaly.id, 'state', the_anomaly.state, 'version', the_anomaly.version, 'event_id', event_id
  );
end $$;

grant execute on function review.attach to ward_reviewer;
