-- Owner: ward_keys
-- A new key signs from now on. The old ones verify for overlap more, which is as long as a token of theirs can live;
-- without an overlap their secrets go at once.
create or replace function tenancy.rotate_key(overlap interval default '10 minutes')
  returns text
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  new_kid text;
  now_at timestamptz;
begin
  perform pg_advisory_xact_lock(hashtext('ward signing keys'));
  now_at := clock_timestamp();
  new_kid := 'k' || to_char(now_at at time zone 'UTC', 'YYYYMMDDHH24MISSUS');
  update tenancy.signing_key set retire_at = least(retire_at, now_at + overlap) where retired_at is null;
  update tenancy.signing_key set retired_at = retire_at, secret = null where retired_at is null and retire_at <= now_at;
  insert into tenancy.signing_key (kid, head, secret)
  values (
    new_kid, core.base64url(convert_to(jsonb_build_object('alg', 'HS256', 'typ', 'JWT', 'kid', new_kid)::text, 'utf8')),
    public.gen_random_bytes(32)
  );
  return new_kid;
end $$;

grant execute on function tenancy.rotate_key to ward_owner;
