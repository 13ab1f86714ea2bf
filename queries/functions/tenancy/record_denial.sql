-- The event of an identity that was refused, or of a sign-in or refresh that failed. why is 'code: sentence'; the event
-- keeps the two apart. clinic null: the event belongs to no clinic.
create or replace function tenancy.record_denial(
  action text,
  why text,
  who uuid default null,
  session uuid default null,
  membership uuid default null,
  clinic uuid default null,
  method text default null
)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform audit.write_as(
    coalesce(clinic, tenancy.installation()), who => who, session => session, membership => membership,
    action => action, outcome => 'denied',
    detail => jsonb_strip_nulls(jsonb_build_object(
      'code', split_part(why, ': ', 1), 'reason', substr(why, strpos(why, ': ') + 2), 'method', method
    ))::text
  );
end $$;
