-- The event of a token that was refused. Whose a token is whose signature does not hold, is not known.
create or replace function tenancy.record_refusal(proof tenancy.proof, why text)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform tenancy.record_denial(
    'refuse', why, who => proof.user_id, session => proof.session_id, membership => proof.membership_id,
    clinic => proof.tenant_id
  );
end $$;

grant execute on function tenancy.record_refusal to ward_keys;
