-- The file that review.open_attachment leased.
create or replace function review.attachment_opened()
  returns table (name text, sha256 text, content bytea)
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare ask tenancy.disclosure := tenancy.the_ask('attachment');
begin
  return query select att.name, encode(att.sha256, 'hex'), att.content
  from review.attachment att
  where att.anomaly_id = ask.ids[1] and att.sha256 = decode(ask.payload->>'file_sha256', 'hex');
end $$;

grant execute on function review.attachment_opened to ward_reviewer;
