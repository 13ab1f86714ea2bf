-- Owner: ward_keys
-- The proven identity of this transaction, or null when there is none. What ward's own policies rest on, and what a
-- customer's should: the setting request.jwt.claims alone is forgeable by any SQL. Besides the MAC it checks the
-- session itself, so that claims put back after a revocation (several transactions in one message share now()) are
-- refused, and the isolation level, because an old snapshot would not see that revocation. The MAC is computed here as
-- tenancy.begin does, from which it must not differ: every call of a function that pins its search_path costs, and this
-- one is made several times in each statement.
create or replace function tenancy.claims()
  returns jsonb
  language plpgsql stable parallel restricted security definer
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off
as $$
declare
  claimed text := nullif(current_setting('request.jwt.claims', true), '');
  deadline text := current_setting('request.jwt.deadline', true);
  mac text := current_setting('request.jwt.mac', true);
  fields jsonb;
  key bytea;
  live boolean;
begin
  if claimed is null then return null; end if;
  fields := claimed::jsonb;
  select m.secret,
    exists (select from tenancy.session s where s.session_id = (fields->>'sid')::uuid and s.revoked_at is null)
  into key, live
  from tenancy.mac_key m
  where m.one;
  -- the length first: before any begin in this session there is no count to compute a MAC with
  if length(mac) is distinct from 64
    or encode(
      public.hmac(
        convert_to(
          concat_ws(
            '|', length(claimed), claimed, deadline, pg_backend_pid(), extract(epoch from now()),
            currval('tenancy.begun')
          ),
          'utf8'
        ),
        key, 'sha256'
      ),
      'hex'
    ) is distinct from mac
  then
    raise exception 'unsigned claims: only tenancy.begin sets an identity' using errcode = '28000';
  end if;
  -- nor can there be more left than an identity ever has: then the clock has been set back meanwhile
  if deadline::numeric - extract(epoch from clock_timestamp()) not between 0 and 60 then
    raise exception 'this identity has run out: begin again' using errcode = '28000';
  end if;
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'an identity holds in READ COMMITTED only' using errcode = '25001';
  end if;
  if not live then
    raise exception 'this session has ended: sign in again' using errcode = '28000';
  end if;
  return fields;
end $$;

grant execute on function tenancy.claims to ward_app, ward_owner, ward_reader, ward_reviewer, ward_worker;
