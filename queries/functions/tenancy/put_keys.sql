-- Puts the keys of an issuer in place of what is there: [{"kid", "n" (base64url), "e"}], at most 20. Returns how many
-- came and went.
create or replace function tenancy.put_keys(issuer uuid, keys jsonb)
  returns int
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  changed int;
  gone int;
begin
  if jsonb_typeof(keys) is distinct from 'array' or jsonb_array_length(keys) not between 1 and 20 then
    raise exception 'an issuer needs between 1 and 20 RSA signing keys' using errcode = '22023';
  end if;
  update tenancy.issuer_key k set retired_at = clock_timestamp()
  where k.issuer_id = put_keys.issuer
    and k.retired_at is null
    and not exists (
      select from jsonb_array_elements(keys) j
      where j->>'kid' = k.kid and core.from_base64url(j->>'n') = k.n and (j->>'e')::int = k.e
    );
  get diagnostics gone = row_count;
  insert into tenancy.issuer_key (issuer_id, kid, n, e)
  select put_keys.issuer, j->>'kid', core.from_base64url(j->>'n'), (j->>'e')::int
  from jsonb_array_elements(keys) j
  where not exists (
    select from tenancy.issuer_key k where k.issuer_id = put_keys.issuer and k.retired_at is null and k.kid = j->>'kid'
  );
  get diagnostics changed = row_count;
  return changed + gone;
exception when check_violation or unique_violation or not_null_violation or data_exception then
  raise exception
    'the keys of the issuer must be RSA keys of 2048 to 4096 bits with an exponent of 65537 or more, each with '
    'its own kid'
    using errcode = '22023';
end $$;
