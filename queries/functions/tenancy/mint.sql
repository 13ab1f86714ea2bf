-- Mints an access token for a session; never longer than the session itself. jti ties it to what was committed with it.
create or replace function tenancy.mint(s tenancy.session, jti uuid)
  returns table (access_token text, expires_at timestamptz)
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  until timestamptz := least(s.expires_at, clock_timestamp() + (select t.access_token from tenancy.setting t));
  m record;
  u record;
begin
  select * into u from tenancy.users where id = s.user_id;
  select * into m from tenancy.membership where id = s.membership_id;
  access_token := tenancy.sign(jsonb_strip_nulls(jsonb_build_object(
    'iss', 'ward', 'aud', s.aud, 'sub', s.user_id, 'sid', s.session_id, 'tid', s.tenant_id, 'mid', s.membership_id,
    'pat', m.patient_id, 'jti', mint.jti, 'role', m.role, 'kind', u.kind, 'name', u.slug, 'rgn', tenancy.region_here(),
    'iat', floor(extract(epoch from clock_timestamp()))::bigint, 'exp', floor(extract(epoch from until))::bigint
  )));
  expires_at := to_timestamp(floor(extract(epoch from until)));
  return next;
end $$;
