-- The program's way in. One answer for an unknown account, a wrong, ended or expired secret, a person's name, and a
-- clinic where it is no member; never a raise, which would undo the event. Nobody guesses 256 bits, so a try that is
-- rolled back need not be counted. secret travels as a bind parameter only.
create or replace function tenancy.sign_in_service(who text, secret text, tenant text, audience text default 'app')
  returns tenancy.signed
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  u tenancy.users;
  r tenancy.signed;
begin
  if length(secret) > 0 and position(secret in current_query()) > 0 then
    perform audit.write_as(
      tenancy.installation(), null, null, null, 'sign_in', 'denied', '{"reason":"secret stood in the query text"}'
    );
    r.reason :=
      'the secret stood in the query text, where other sessions can see it: send it as a bind parameter, and rotate it';
    return r;
  end if;
  select * into u from tenancy.users x where x.slug = who;
  if u.kind = 'service'
    and coalesce(audience, 'review') <> 'review'
    and exists (
      select from tenancy.service_secret x
      where x.sha256 = sha256(convert_to(coalesce(secret, ''), 'utf8'))
        and x.user_id = u.id
        and x.ended_at is null
        and x.expires_at > clock_timestamp()
    )
  then
    return tenancy.open_session(u, audience, tenant, null, 'secret');
  end if;
  perform audit.write_as(
    tenancy.installation(), u.id, null, null, 'sign_in', 'denied', '{"reason":"not accepted","method":"secret"}'
  );
  r.reason := tenancy.not_accepted();
  return r;
end $$;

grant execute on function tenancy.sign_in_service to ward_app;
