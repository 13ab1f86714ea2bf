-- Drops a month. ward_worker alone cannot: an administrator over all clinics has asked for this month within a day, and
-- asked for more than a trial. rows and digest are what the worker reconciled with the archive; the partition must
-- still be that. All in the one transaction of the prune event. Called by review.prune_month, which goes on only if
-- every rule has read up to newest_batch.
create or replace function audit.prune_month(
  request bigint,
  expected_rows bigint,
  expected_digest bytea,
  parts text[],
  head_size bigint,
  out prune_event bigint,
  out newest_batch bigint
)
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '10s'
as $$
declare
  asked audit.event;
  content record;
  first date;
  child text;
  behind text;
begin
  perform pg_advisory_xact_lock(hashtext('ward audit months'));
  select * into asked
  from audit.event e
  where e.event_id = request
    and e.recorded_at > clock_timestamp() - interval '1 day'
    and e.action = 'prune'
    and e.outcome = 'ok'
    and e.actor_kind = 'human';
  if not found
    or asked.detail::jsonb->>'what' is distinct from 'request'
    or (asked.detail::jsonb->>'dry_run')::boolean is not false
    or not audit.prunes(asked.user_id)
  then
    raise exception 'no administrator over all clinics has asked within a day to prune this month'
      using errcode = '42501', hint = 'ward archive prune MONTH, as an administrator over all clinics';
  end if;
  first := (asked.detail::jsonb->>'month' || '-01')::date;
  child := 'event_' || to_char(first, 'YYYY_MM');
  perform audit.may_prune(first);
  execute format('lock table audit.%I in share mode', child);
  select * into content from audit.month_digest(first);
  if content.unsealed > 0 then
    raise exception '% events of % have no place in the chain', content.unsealed, to_char(first, 'YYYY-MM')
      using errcode = '55000', hint = 'ward worker seals them; then ask for the prune again';
  end if;
  if content.rows is distinct from expected_rows or content.digest is distinct from expected_digest then
    raise exception 'the events of % have changed since they were reconciled with the archive',
      to_char(first, 'YYYY-MM')
      using errcode = '55000', hint = 'run ward archive verify --live, then ask for the prune again';
  end if;
  if content.rows > 0 and coalesce(cardinality(parts), 0) = 0 then
    raise exception '% has % events, but no part of the archive that holds them was named',
      to_char(first, 'YYYY-MM'), content.rows
      using errcode = '22023';
  end if;
  behind := audit.not_classified(content.newest_batch);
  if behind is not null then
    raise exception '%', behind
      using errcode = '55000', hint = 'ward worker goes on with it; ask for the prune again later';
  end if;
  execute format('alter table audit.event detach partition audit.%I', child);
  execute format('drop table audit.%I', child);
  prune_event := audit.write_worker(tenant => null, action => 'prune', detail => jsonb_build_object(
    'what', 'pruned', 'request', request, 'month', to_char(first, 'YYYY-MM'), 'rows', content.rows,
    'digest', encode(content.digest, 'hex'), 'parts', parts, 'head', head_size
  )::text);
  insert into audit.pruned (month, request, event_id, rows, digest, parts, head_size)
  values (first, request, prune_event, content.rows, content.digest, parts, head_size);
  newest_batch := content.newest_batch;
end $$;
