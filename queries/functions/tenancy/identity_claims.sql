-- The claims of an identity token that this installation accepts, with its issuer's row; else why not. It is refused
-- for what it is not as well: an access token (RFC 9068) or a logout token may be signed with the same key for the same
-- client.
create or replace function tenancy.identity_claims(
  id_token text, out claims jsonb, out issuer tenancy.issuer, out until timestamptz, out why text
)
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  head jsonb;
  key tenancy.issuer_key;
  aud jsonb;
  now_s numeric := extract(epoch from clock_timestamp());
begin
  why := 'not_an_identity_token: this is not an identity token';
  if id_token is null
    or length(id_token) > 16384
    or id_token !~ '^[A-Za-z0-9_-]+[.][A-Za-z0-9_-]+[.][A-Za-z0-9_-]+$'
  then
    return;
  end if;
  head := convert_from(core.from_base64url(split_part(id_token, '.', 1)), 'utf8')::jsonb;
  claims := convert_from(core.from_base64url(split_part(id_token, '.', 2)), 'utf8')::jsonb;
  if jsonb_typeof(head) <> 'object'
    or jsonb_typeof(claims) <> 'object'
    or head ? 'crit'
    or upper(coalesce(head->>'typ', 'JWT')) <> 'JWT'
    or claims ? 'events'
  then
    return;
  end if;
  select * into issuer from tenancy.issuer i where i.issuer = claims->>'iss' and i.ended_at is null;
  if issuer.id is null then
    why := 'unknown_issuer: the issuer of this token is not declared here: ward oidc add declares one';
    return;
  end if;
  select * into key
  from tenancy.issuer_key k
  where k.issuer_id = issuer.id and k.kid = head->>'kid' and k.retired_at is null;
  if key.id is null then
    why := 'unknown_key: the key of this token is not one of its issuer''s: ward oidc refresh fetches them';
    return;
  end if;
  if head->>'alg' is distinct from key.alg
    or not core.rs256(
      convert_to(split_part(id_token, '.', 1) || '.' || split_part(id_token, '.', 2), 'utf8'),
      core.from_base64url(split_part(id_token, '.', 3)), key.n, key.e
    )
  then
    why := 'bad_signature: the signature of this token does not hold';
    return;
  end if;
  aud := case jsonb_typeof(claims->'aud') when 'array' then claims->'aud' else jsonb_build_array(claims->'aud') end;
  until := to_timestamp(least((claims->>'exp')::numeric, (claims->>'iat')::numeric + 660));
  why := case
    when jsonb_typeof(claims->'iss') <> 'string'
      or jsonb_typeof(claims->'sub') is distinct from 'string'
      or jsonb_typeof(claims->'iat') is distinct from 'number'
      or jsonb_typeof(claims->'exp') is distinct from 'number'
    then 'not_an_identity_token: this is not an identity token'
    when not aud @> to_jsonb(issuer.client_id)
      or (jsonb_array_length(aud) > 1 or claims ? 'azp') and claims->>'azp' is distinct from issuer.client_id
    then 'wrong_client: this token is for another client'
    when (claims->>'exp')::numeric <= now_s then 'token_expired: this token has expired: get another from the provider'
    when (claims->>'iat')::numeric < now_s - 600
    then 'token_expired: this token was issued more than ten minutes ago: get another from the provider'
    when (claims->>'iat')::numeric > now_s + 60 or coalesce((claims->>'nbf')::numeric, 0) > now_s + 60
    then 'clock_wrong: this token was issued in the future: the clock of the provider or of this server is wrong'
    when cardinality(issuer.required_acr) > 0 and not coalesce(claims->>'acr' = any (issuer.required_acr), false)
      or cardinality(issuer.required_amr) > 0
        and not coalesce(
          jsonb_typeof(claims->'amr') = 'array' and claims->'amr' @> to_jsonb(issuer.required_amr), false
        ) then 'provider_factor_missing: the provider did not ask for the second factor that is required here'
  end;
exception when data_exception or character_not_in_repertoire or untranslatable_character then
  why := 'not_an_identity_token: this is not an identity token';
end $$;
