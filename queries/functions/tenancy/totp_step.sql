-- Owner: ward_keys
-- The step within one of now whose code this is and which has not been used, or null.
create or replace function tenancy.totp_step(secret bytea, last_step bigint, code text)
  returns bigint
  language sql volatile
  set search_path = pg_catalog, pg_temp
as $$
  select s
  from generate_series(
    floor(extract(epoch from clock_timestamp()) / 30)::bigint - 1,
    floor(extract(epoch from clock_timestamp()) / 30)::bigint + 1
  ) s
  where s > last_step and core.hotp(secret, s) = code
  order by s limit 1
$$;
