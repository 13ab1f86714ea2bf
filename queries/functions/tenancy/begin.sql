-- Owner: ward_keys
-- Opens the identity of this transaction. Returns null when the token is accepted, else why not, as 'code: sentence'
-- (docs/ADOPTING.md lists the codes): a raise would undo the 'refuse' event.
-- A refusal leaves no identity, so everything that follows in the transaction is denied. disclosure names what was
-- asked for and committed before. strict raises all the same: for a pipeline whose later statements must not run, where
-- an earlier transaction of it has written the event or the caller begins once more to have it written.
-- The text that ward's own pipeline sends (a test holds the two together) passes tenancy.unfit and is not shown to it.
-- The session must hold nothing that a previous user of the connection could have left in it.
create or replace function tenancy.begin(token text, disclosure uuid default null, strict boolean default false)
  returns text
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  proof tenancy.proof;
  why text;
  deadline text;
  key bytea;
  lasts interval;
begin
  if nullif(current_setting('request.jwt.claims', true), '') is not null then
    why := 'transaction_unfit: the transaction has an identity already';
  elsif current_setting('transaction_isolation') <> 'read committed' then
    why := 'transaction_unfit: the transaction is not READ COMMITTED';
  elsif current_query() is distinct from $own$select coalesce(tenancy.begin($1, $2, $3), '')$own$ then
    why := tenancy.unfit(token);
  end if;
  if why is null then
    -- key and length in the same query, because one of its own costs
    select m.secret, s.identity,
      case
        when exists (select from pg_prepared_statements where from_sql)
        then 'session_unfit: the session holds a statement prepared by SQL: DISCARD ALL first'
        when exists (select from pg_cursors where is_holdable)
        then 'session_unfit: the session holds a WITH HOLD cursor: DISCARD ALL first'
        when pg_my_temp_schema() <> 0 then 'session_unfit: the session has temporary objects: use another connection'
      end
    into key, lasts, why
    from tenancy.mac_key m cross join tenancy.setting s;
  end if;
  if why is null then
    proof := tenancy.proven(token);
    why := proof.why;
  end if;
  if why is not null then
    if strict then raise exception 'refused: %', why using errcode = '28000'; end if;
    perform set_config('request.jwt.claims', '', true), set_config('request.jwt.mac', '', true),
      set_config('request.jwt.deadline', '', true), set_config('ward.disclosure', '', true),
      set_config('search_path', 'public, pg_catalog, pg_temp', true),
      tenancy.record_refusal(proof, why);
    return why;
  end if;
  deadline := least((proof.c->>'exp')::numeric, extract(epoch from clock_timestamp() + lasts))::text;
  -- Claims bound to this backend, this transaction, the newest begin and the deadline, exactly as tenancy.claims reads
  -- them. Assignments, because a perform is a query of its own.
  why := set_config('request.jwt.claims', proof.claims, true);
  why := set_config('request.jwt.deadline', deadline, true);
  why := set_config(
    'request.jwt.mac',
    encode(
      public.hmac(
        convert_to(
          concat_ws(
            '|', length(proof.claims), proof.claims, deadline, pg_backend_pid(), extract(epoch from now()),
            nextval('tenancy.begun')
          ),
          'utf8'
        ),
        key, 'sha256'
      ),
      'hex'
    ),
    true
  );
  why := set_config('ward.disclosure', coalesce(disclosure::text, ''), true);
  why := set_config('search_path', 'public, pg_catalog, pg_temp', true);
  return null;
end $$;

grant execute on function tenancy.begin to ward_app, ward_reviewer;
