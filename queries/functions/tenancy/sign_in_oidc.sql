-- Signs in whom the provider's identity token names; answers as signed_in does, with needs and choices for whoever the
-- token proves. The token works once: its signed part is remembered, since the text of a signature can be written in
-- several ways. A wrong code uses it up too, so that guessing codes takes a new token each time; an answer that asks
-- for a code or a clinic does not. A code is used up in any case. Nobody is made here: an identity that is not linked
-- is refused.
--
-- One call, where a password takes two: whoever rolls this one back has used the token no more than before, and holds
-- an access token that no committed transaction issued, which tenancy.begin refuses. What the answer tells (is the
-- token good, whose is it) the token's holder could read in it. There is no password to guess; guesses of a code, the
-- one thing that could be learnt unrecorded, are counted where no rollback reaches (00014).
create or replace function tenancy.sign_in_oidc(
  id_token text, tenant text default null, role text default null, audience text default 'app', code text default null
)
  returns tenancy.signed
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  verified record;
  person tenancy.users;
  answer tenancy.signed;
  factor text;
  given boolean := false;
  used bytea;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'signing in needs a READ COMMITTED transaction' using errcode = '25001';
  end if;
  if position(id_token in current_query()) > 0 then
    answer.reason := 'secret_in_query: the token stood in the query text: send it as a bind parameter';
  else
    select * into verified from tenancy.identity_claims(id_token);
    answer.reason := verified.why;
  end if;
  if answer.reason is null then
    select u.* into person
    from tenancy.identity i join tenancy.users u on u.id = i.user_id
    where i.issuer = verified.claims->>'iss' and i.subject = verified.claims->>'sub' and i.ended_at is null;
    given := cardinality((verified.issuer).required_acr) + cardinality((verified.issuer).required_amr) > 0;
    code := nullif(btrim(code), '');
    if person.id is not null and not given then
      factor := tenancy.second_factor(person.id, audience, code => null);
    end if;
    if factor is null or code is not null then
      -- a day more: the clock may go back
      delete from tenancy.used_token ut where ut.until < clock_timestamp() - interval '1 day';
      used := sha256(convert_to(left(id_token, length(id_token) - strpos(reverse(id_token), '.')), 'utf8'));
      insert into tenancy.used_token (sha256, until) values (used, verified.until) on conflict do nothing;
      if not found then
        answer.reason := 'token_used: the token was used before: get another from the provider';
      elsif person.id is null then
        answer.reason := format(
          'not_linked: subject %s of %s is linked to no user: an administrator does that with ward user link',
          verified.claims->>'sub', verified.claims->>'iss'
        );
      elsif factor is not null then
        factor := tenancy.second_factor(person.id, audience, code);
        given := factor is null;
      end if;
    end if;
    if answer.reason is null and factor is not null then
      answer.needs := 'second_factor';
      answer.reason := tenancy.factor_missing(factor);
    end if;
  end if;
  if answer.reason is not null then
    perform tenancy.record_denial('sign_in', answer.reason, who => person.id, method => 'oidc');
    return answer;
  end if;
  answer := tenancy.open_session(
    person, audience => audience, tenant => tenant, role => role, method => 'oidc', second_factor => given
  );
  if answer.needs is not null then
    delete from tenancy.used_token ut where ut.sha256 = used;  -- the same token with a clinic will do
  elsif answer.session_id is null then
    answer.reason := 'not_accepted: this user has no membership, and no reviewer''s grant in force, for this';
  end if;
  return answer;
end $$;

grant execute on function tenancy.sign_in_oidc to ward_app, ward_reviewer;
