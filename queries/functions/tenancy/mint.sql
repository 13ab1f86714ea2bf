-- Mints an access token for a session; never longer than the session itself. jti ties it to what was committed with it.
create or replace function tenancy.mint(session tenancy.session, jti uuid)
  returns table (access_token text, expires_at timestamptz)
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  until timestamptz := least(session.expires_at, clock_timestamp() + (select t.access_token from tenancy.setting t));
  member record;
  person record;
begin
  select * into person from tenancy.users where id = session.user_id;
  select * into member from tenancy.membership where id = session.membership_id;
  access_token := tenancy.sign(jsonb_strip_nulls(jsonb_build_object(
    'iss', 'ward', 'aud', session.aud, 'sub', session.user_id, 'sid', session.session_id, 'tid', session.tenant_id,
    'mid', session.membership_id, 'pat', member.patient_id, 'jti', mint.jti, 'role', member.role, 'kind', person.kind,
    'name', person.slug, 'rgn', tenancy.region_here(), 'iat', floor(extract(epoch from clock_timestamp()))::bigint,
    'exp', floor(extract(epoch from until))::bigint
  )));
  expires_at := to_timestamp(floor(extract(epoch from until)));
  return next;
end $$;
