-- Tries a user name and password, and returns a ticket for tenancy.signed_in: after the commit, within a minute. The
-- ticket, the time and the WAL are the same whatever comes of it.
-- audience 'review' asks for a reviewer's session, which names no clinic. tenant may be null for who works at one
-- clinic alone; role picks among several there. code is the second factor's. source is where the person is (their
-- address), as far as the application knows. password and code travel as bind parameters only.
create or replace function tenancy.sign_in(
  who text,
  password text,
  tenant text default null,
  audience text default 'app',
  code text default null,
  role text default null,
  source text default null
)
  returns text
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  person tenancy.users;
  attempt tenancy.attempt;
  stale tenancy.attempt;
  held boolean;
  ticket text := encode(public.gen_random_bytes(32), 'hex');
begin
  if length(who) > 1000
    or length(password) > 1000
    or length(tenant) > 1000
    or length(audience) > 1000
    or length(code) > 1000
    or length(role) > 1000
    or length(source) > 1000
  then
    raise exception 'a value given to sign in is longer than 1,000 characters' using errcode = '22023';
  end if;
  attempt.name := tenancy.fingerprint('sign-in name|' || coalesce(who, ''));
  attempt.source := tenancy.fingerprint('sign-in source|' || source);
  attempt.connection := tenancy.fingerprint(
    'sign-in connection|' || session_user || '|' || coalesce(host(inet_client_addr()), 'local')
  );
  attempt.asked := jsonb_strip_nulls(jsonb_build_object(
    'audience', coalesce(audience, 'app'), 'tenant', tenant, 'role', role, 'code', nullif(code, ''),
    'leaked', case when length(password) > 0 and position(password in current_query()) > 0 then true end
  ));
  select * into person from tenancy.users u where u.slug = who;
  held := coalesce(
    public.crypt(coalesce(password, ''), coalesce(person.password_hash, tenancy.nobodys_hash())) = person.password_hash,
    false
  )
    and person.kind = 'human'
    and octet_length(password) <= 72
    and not attempt.asked ? 'leaked';
  -- From here on tries with this name go one by one until they are committed: none slips past the count. The hash,
  -- which takes the time, is behind us.
  perform pg_advisory_xact_lock(hashtextextended(attempt.name, 0));
  -- One answer that nobody came for, of whoever, is recorded and counted now. One: calls that take the rows of several
  -- tries could wait for each other in a circle.
  delete from tenancy.attempt a
  where a.ticket = (
    select oldest.ticket
    from tenancy.attempt oldest
    where oldest.tried_at < clock_timestamp() - interval '1 minute'
      and oldest.xid is distinct from pg_current_xact_id_if_assigned()
    order by oldest.tried_at limit 1 for update skip locked
  ) returning * into stale;
  if stale.ticket is not null then perform tenancy.conclude(stale, false); end if;
  insert into tenancy.attempt (ticket, name, source, connection, user_id, held, allowed, asked)
  values (
    sha256(convert_to(ticket, 'utf8')), attempt.name, attempt.source, attempt.connection,
    coalesce(person.id, gen_random_uuid()), held,
    tenancy.not_throttled(array[attempt.name, attempt.source, attempt.connection]),
    attempt.asked
  );
  return ticket;
end $$;

grant execute on function tenancy.sign_in to ward_app, ward_reviewer;
