create or replace function review.attachment_opened()
  returns table (name text, sha256 text, content bytea)
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare k tenancy.disclosure := tenancy.the_ask('attachment');
begin
  return query select x.name, encode(x.sha256, 'hex'), x.content
  from review.attachment x
  where x.anomaly_id = k.ids[1] and x.sha256 = decode(k.payload->>'file_sha256', 'hex');
end $$;

grant execute on function review.attachment_opened to ward_reviewer;
