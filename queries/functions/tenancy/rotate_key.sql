-- Owner: ward_keys
-- A new key signs from now on. The old ones verify for overlap more, which is as long as a token of theirs can live;
-- without an overlap their secrets go at once.
create or replace function tenancy.rotate_key(overlap interval default '10 minutes')
  returns text
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  k text;
  t timestamptz;
begin
  perform pg_advisory_xact_lock(hashtext('ward signing keys'));
  t := clock_timestamp();
  k := 'k' || to_char(t at time zone 'UTC', 'YYYYMMDDHH24MISSUS');
  update tenancy.signing_key set retire_at = least(retire_at, t + overlap) where retired_at is null;
  update tenancy.signing_key set retired_at = retire_at, secret = null where retired_at is null and retire_at <= t;
  insert into tenancy.signing_key (kid, head, secret)
  values (
    k, core.base64url(convert_to(jsonb_build_object('alg', 'HS256', 'typ', 'JWT', 'kid', k)::text, 'utf8')),
    public.gen_random_bytes(32)
  );
  return k;
end $$;

grant execute on function tenancy.rotate_key to ward_owner;
