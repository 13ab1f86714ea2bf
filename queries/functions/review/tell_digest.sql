-- The digest of a day, unless that day has one: null then. day is the date in the time zone of the settings.
create or replace function review.tell_digest(day date)
  returns uuid
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare last timestamptz;
begin
  if exists (select from review.alert n where n.matter = 'digest/' || day) then return null; end if;
  select coalesce(max(n.created_at), clock_timestamp() - interval '1 day') into last
  from review.alert n
  where n.kind = 'digest' and n.created_at > clock_timestamp() - interval '35 days';
  return review.tell(
    'digest/' || day, 'digest', tenancy.installation(), null, 'low',
    jsonb_build_object('day', day, 'digest', review.digest(last))
  );
end $$;

grant execute on function review.tell_digest to ward_worker;
