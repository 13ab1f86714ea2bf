-- The committed, unexpired asks of this session under the disclosure named at begin; never this transaction's own.
create or replace function tenancy.asked(what text, c jsonb default tenancy.claims())
  returns setof tenancy.disclosure
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off
as $$
begin
  return query select a.*
  from tenancy.disclosure a
  where a.disclosure_id = nullif(current_setting('ward.disclosure', true), '')::uuid
    and a.what = asked.what
    and a.session_id = (c->>'sid')::uuid
    and a.user_id = (c->>'sub')::uuid
    and a.expires_at > clock_timestamp()
    and a.xid is distinct from pg_current_xact_id_if_assigned();
end $$;

grant execute on function tenancy.asked to ward_reader;
