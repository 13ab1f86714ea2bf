-- Reading a file is a look of its own. file: the beginning of its SHA-256.
create or replace function review.open_attachment(ask uuid, anomaly text, file text)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  a review.anomaly := review.anomaly_within(anomaly, 'browse');
  h text;
begin
  if coalesce(file, '') !~ '^[0-9a-f]{4,64}$' then
    raise exception 'a file is named by the beginning of its SHA-256, four characters at least' using errcode = '22023';
  end if;
  begin
    select encode(x.sha256, 'hex') into strict h
    from review.attachment x
    where x.anomaly_id = a.id and starts_with(encode(x.sha256, 'hex'), file);
  exception
    when no_data_found then
      raise exception 'no file % is attached to this anomaly', file
        using errcode = '02000', hint = 'ward queue show lists them';
    when too_many_rows then raise exception 'more than one file begins with %', file using errcode = '22023';
  end;
  perform tenancy.look(
    ask, 'attachment', 'open', null, jsonb_build_object('anomaly', a.id, 'file_sha256', h), array[a.id], a.tenant_id
  );
end $$;

grant execute on function review.open_attachment to ward_reviewer;
