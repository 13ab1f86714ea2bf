-- Signs a service account in by its secret. One answer for an unknown account, a wrong, ended or expired secret, a
-- person's name, and a clinic where it is no member; never a raise, which would undo the event. Nobody guesses 256
-- bits, so a try that is rolled back need not be counted. secret travels as a bind parameter only.
create or replace function tenancy.sign_in_service(who text, secret text, tenant text, audience text default 'app')
  returns tenancy.signed
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  account tenancy.users;
  answer tenancy.signed;
begin
  if length(secret) > 0 and position(secret in current_query()) > 0 then
    answer.reason :=
      'secret_in_query: the secret stood in the query text, where other sessions can see it: send it as a bind '
      'parameter, and rotate it';
    perform tenancy.record_denial('sign_in', answer.reason);
    return answer;
  end if;
  select * into account from tenancy.users u where u.slug = who;
  if account.kind = 'service'
    and coalesce(audience, 'review') <> 'review'
    and exists (
      select from tenancy.service_secret ss
      where ss.sha256 = sha256(convert_to(coalesce(secret, ''), 'utf8'))
        and ss.user_id = account.id
        and ss.ended_at is null
        and ss.expires_at > clock_timestamp()
    )
  then
    return tenancy.open_session(account, audience => audience, tenant => tenant, role => null, method => 'secret');
  end if;
  answer.reason := tenancy.not_accepted();
  perform tenancy.record_denial('sign_in', answer.reason, who => account.id, method => 'secret');
  return answer;
end $$;

grant execute on function tenancy.sign_in_service to ward_app;
