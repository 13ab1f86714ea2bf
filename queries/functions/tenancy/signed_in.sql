-- The answer to a ticket of a committed tenancy.sign_in, once. Never raises on a refusal.
create or replace function tenancy.signed_in(ticket text)
  returns tenancy.signed
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  attempt tenancy.attempt;
  answer tenancy.signed;
begin
  if position(signed_in.ticket in current_query()) > 0 then
    perform audit.write_as(
      tenancy.installation(), who => null, session => null, membership => null, action => 'sign_in',
      outcome => 'denied', detail => '{"reason":"the ticket stood in the query text"}'
    );
    answer.reason := 'the ticket stood in the query text: send it as a bind parameter';
    return answer;
  end if;
  delete from tenancy.attempt a
  where a.ticket = sha256(convert_to(signed_in.ticket, 'utf8'))
    and a.xid is distinct from pg_current_xact_id_if_assigned()
  returning * into attempt;
  if attempt.ticket is null then
    perform audit.write_as(
      tenancy.installation(), who => null, session => null, membership => null, action => 'sign_in',
      outcome => 'denied', detail => '{"reason":"no such ticket"}'
    );
    answer.reason := 'no committed sign-in has this ticket, or its answer was fetched: sign in again';
    return answer;
  end if;
  return tenancy.conclude(attempt, attempt.tried_at > clock_timestamp() - interval '1 minute');
end $$;

grant execute on function tenancy.signed_in to ward_app, ward_reviewer;
