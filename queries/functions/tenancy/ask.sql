-- A transaction that only asks: what tenancy.begin(token) and audit.disclose(disclosure, ...) do, in one call and
-- without an identity, since nothing else happens under one. Whatever else the client sends in this transaction has
-- none. Returns null when the token is accepted, else the reason, as begin does, and the event of the refusal is
-- written then. record_table as it is registered: schema-qualified.
create or replace function tenancy.ask(
  token text, disclosure uuid, record_table text, ids uuid[], purpose text default 'treatment'
)
  returns text
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  p tenancy.proof;
  n int;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    p.why := 'the transaction is not READ COMMITTED';
  elsif position(token in current_query()) > 0 then
    p.why := 'the token stood in the query text: send it as a bind parameter';
  else
    p := tenancy.proven(token);
  end if;
  if p.why is not null then
    perform tenancy.record_refusal(p, p.why);
    return p.why;
  end if;
  n := tenancy.ask_records(disclosure, record_table, ids, 'view', purpose, p.c);
  return null;
end $$;

grant execute on function tenancy.ask to ward_app;
