-- The signing keys without their secrets, after a look at them.
create or replace function tenancy.list_keys()
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform tenancy.the_ask('list:keys');
  return query select jsonb_build_object(
    'kid', k.kid, 'created_at', k.created_at, 'retire_at', k.retire_at, 'retired_at', k.retired_at,
    'state', case
      when k.retired_at is not null or k.retire_at <= clock_timestamp() then 'retired'
      when k.retire_at is not null then 'verifies'
      else 'signs'
    end
  )
  from tenancy.signing_key k
  order by k.created_at desc limit 500;
end $$;

grant execute on function tenancy.list_keys to ward_reviewer;
