-- A new key signs from now on; the old ones verify until their tokens have run out, or, at_once, no more: every access
-- token ends, refreshing gives new ones.
create or replace function tenancy.rotate_signing_key(at_once boolean default false)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare new_kid text;
begin
  perform tenancy.reviewer_of('configure', tenant => null);
  new_kid := tenancy.rotate_key(case
    when at_once then interval '0'
    else (select access_token from tenancy.setting)
  end);
  perform audit.write(
    tenancy.installation(), 'configure', 'ok',
    jsonb_build_object('what', 'key rotate', 'kid', new_kid, 'at_once', at_once)::text
  );
  return jsonb_build_object('kid', new_kid, 'at_once', at_once);
end $$;

grant execute on function tenancy.rotate_signing_key to ward_reviewer;
