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
    answer.reason := 'secret_in_query: the ticket stood in the query text: send it as a bind parameter';
    perform tenancy.record_denial('sign_in', answer.reason);
    return answer;
  end if;
  delete from tenancy.attempt a
  where a.ticket = sha256(convert_to(signed_in.ticket, 'utf8'))
    and a.xid is distinct from pg_current_xact_id_if_assigned()
  returning * into attempt;
  if attempt.ticket is null then
    answer.reason :=
      'unknown_ticket: no committed sign-in has this ticket, or its answer was fetched: sign in again';
    perform tenancy.record_denial('sign_in', answer.reason);
    return answer;
  end if;
  return tenancy.conclude(attempt, attempt.tried_at > clock_timestamp() - interval '1 minute');
end $$;

grant execute on function tenancy.signed_in to ward_app, ward_reviewer;
