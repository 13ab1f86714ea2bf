-- The committed, unexpired asks of this session under the disclosure named at begin; never this transaction's own.
create or replace function tenancy.asked(what text, claims jsonb default tenancy.claims())
  returns setof tenancy.disclosure
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off
as $$
begin
  return query select d.*
  from tenancy.disclosure d
  where d.disclosure_id = nullif(current_setting('ward.disclosure', true), '')::uuid
    and d.what = asked.what
    and d.session_id = (claims->>'sid')::uuid
    and d.user_id = (claims->>'sub')::uuid
    and d.expires_at > clock_timestamp()
    and d.xid is distinct from pg_current_xact_id_if_assigned();
end $$;

grant execute on function tenancy.asked to ward_reader;
