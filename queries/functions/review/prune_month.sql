-- Drops a month of events that every rule has read. audit.prune_month drops it; if a rule has not read it, the refusal
-- here undoes that.
create or replace function review.prune_month(
  request bigint, expected_rows bigint, expected_digest bytea, parts text[], head_size bigint
)
  returns bigint
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  done record;
  behind text;
begin
  select * into done from audit.prune_month(request, expected_rows, expected_digest, parts, head_size);
  behind := review.not_read(done.newest_batch);
  if behind is not null then
    raise exception '%', behind
      using errcode = '55000', hint = 'ward worker goes on with it; ask for the prune again later';
  end if;
  return done.prune_event;
end $$;

grant execute on function review.prune_month to ward_worker;
