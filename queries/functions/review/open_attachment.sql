-- Records that a file of an anomaly is opened, which is a look of its own. file: the beginning of its SHA-256.
create or replace function review.open_attachment(ask uuid, anomaly text, file text)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  the_anomaly review.anomaly := review.anomaly_within(anomaly, 'browse');
  digest text;
begin
  if coalesce(file, '') !~ '^[0-9a-f]{4,64}$' then
    raise exception 'a file is named by the beginning of its SHA-256, four characters at least' using errcode = '22023';
  end if;
  begin
    select encode(att.sha256, 'hex') into strict digest
    from review.attachment att
    where att.anomaly_id = the_anomaly.id and starts_with(encode(att.sha256, 'hex'), file);
  exception
    when no_data_found then
      raise exception 'no file % is attached to this anomaly', file
        using errcode = '02000', hint = 'ward queue show lists them';
    when too_many_rows then
      raise exception 'more than one file begins with %: give more of its SHA-256', file using errcode = '22023';
  end;
  perform tenancy.look(
    ask => ask, what => 'attachment', action => 'open', shown => null,
    filter => jsonb_build_object('anomaly', the_anomaly.id, 'file_sha256', digest),
    ids => array[the_anomaly.id], tenant => the_anomaly.tenant_id
  );
end $$;

grant execute on function review.open_attachment to ward_reviewer;
