-- Enters the digest of a day, and returns its id; null if that day has one. day: the date in the time zone of the
-- settings.
create or replace function review.tell_digest(day date)
  returns uuid
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare last timestamptz;
begin
  if exists (select from review.alert al where al.matter = 'digest/' || day) then return null; end if;
  select coalesce(max(al.created_at), clock_timestamp() - interval '1 day') into last
  from review.alert al
  where al.kind = 'digest' and al.created_at > clock_timestamp() - interval '35 days';
  return review.tell(
    matter => 'digest/' || day, kind => 'digest', tenant => tenancy.installation(), anomaly => null, severity => 'low',
    content => jsonb_build_object('day', day, 'digest', review.digest(last))
  );
end $$;

grant execute on function review.tell_digest to ward_worker;
