-- Refuses unless the database lets a month be pruned. Whether the archive has all of it, the worker finds out.
create or replace function audit.may_prune(month date)
  returns void
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  child text := 'event_' || to_char(month, 'YYYY_MM');
  oldest text;
  until timestamptz;
  after int := (select s.prune_after from tenancy.setting s);
begin
  if exists (select from audit.pruned p where p.month = may_prune.month) then
    raise exception 'the events of % are pruned already', to_char(month, 'YYYY-MM')
      using errcode = '55000', hint = 'ward archive list shows the months that only the archive has';
  end if;
  until := (month + interval '1 month' * (after + 1)) at time zone 'UTC';
  if until > clock_timestamp() then
    raise exception 'the events of % may be pruned from % on',
      to_char(month, 'YYYY-MM'), to_char(until at time zone 'UTC', 'YYYY-MM-DD')
      using errcode = '55000',
        hint = format('tenancy.setting.prune_after keeps a month for %s months after its end', after);
  end if;
  select min(c.relname) into oldest
  from pg_inherits i join pg_class c on c.oid = i.inhrelid
  where i.inhparent = 'audit.event'::regclass and c.relname ~ '^event_[0-9]{4}_[0-9]{2}$';
  if oldest is distinct from child then
    raise exception '% is not the oldest month of the database, which is %',
      to_char(month, 'YYYY-MM'), replace(substr(oldest, 7), '_', '-')
      using errcode = '55000',
        hint = 'months are pruned from the oldest on, so that the archive takes over at one place';
  end if;
end $$;

grant execute on function audit.may_prune to ward_worker;
