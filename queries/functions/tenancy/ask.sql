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
  proof tenancy.proof;
  written int;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    proof.why := 'transaction_unfit: the transaction is not READ COMMITTED';
  elsif position(token in current_query()) > 0 then
    proof.why := 'secret_in_query: the token stood in the query text: send it as a bind parameter';
  else
    proof := tenancy.proven(token);
  end if;
  if proof.why is not null then
    perform tenancy.record_refusal(proof, proof.why);
    return proof.why;
  end if;
  written := tenancy.ask_records(
    disclosure, record_table => record_table, ids => ids, action => 'view', purpose => purpose, claims => proof.c
  );
  return null;
end $$;

grant execute on function tenancy.ask to ward_app;
