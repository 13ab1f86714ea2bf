-- The answer to a ticket of a committed tenancy.sign_in, once. Never raises on a refusal.
create or replace function tenancy.signed_in(ticket text)
  returns tenancy.signed
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  a tenancy.attempt;
  r tenancy.signed;
begin
  if position(signed_in.ticket in current_query()) > 0 then
    perform audit.write_as(
      tenancy.installation(), null, null, null, 'sign_in', 'denied', '{"reason":"the ticket stood in the query text"}'
    );
    r.reason := 'the ticket stood in the query text: send it as a bind parameter';
    return r;
  end if;
  delete from tenancy.attempt x
  where x.ticket = sha256(convert_to(signed_in.ticket, 'utf8'))
    and x.xid is distinct from pg_current_xact_id_if_assigned()
  returning * into a;
  if a.ticket is null then
    perform audit.write_as(
      tenancy.installation(), null, null, null, 'sign_in', 'denied', '{"reason":"no such ticket"}'
    );
    r.reason := 'no committed sign-in has this ticket, or its answer was fetched: sign in again';
    return r;
  end if;
  return tenancy.conclude(a, a.tried_at > clock_timestamp() - interval '1 minute');
end $$;

grant execute on function tenancy.signed_in to ward_app, ward_reviewer;
