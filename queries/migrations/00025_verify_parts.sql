-- Verifying by the installation's workers: a reviewer's verification, which is an event before it is anything else, hands out its parts one by one; whichever worker is free takes one,
-- and what it found is kept here until the reviewer's process has joined it.

-- +goose Up
set local role ward_owner;
create table audit.part_check (
  verification uuid not null references audit.verification,
  path         text not null,
  task         jsonb not null,              -- the part's signed manifest and the published heads about it: no row
  asked_at     timestamptz not null default clock_timestamp(),
  tries        int not null default 0,      -- how many workers have begun
  worker       text,                        -- the last one that began
  beat_at      timestamptz,                 -- when it was last seen at it
  outcome      jsonb,                       -- {"outcome": ...} or {"error": text}
  finished_at  timestamptz,
  primary key (verification, path)
);
grant select on audit.part_check to ward_worker;
grant update (tries, worker, beat_at, outcome, finished_at) on audit.part_check to ward_worker;
grant select on audit.verification to ward_worker;

-- +goose StatementBegin
create function audit.enter_part(verification uuid, path text) returns void language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  insert into river.river_job (args, kind, max_attempts, queue, state) values (jsonb_build_object('verification', verification, 'path', path), 'verify_part', 3, 'parts', 'available');
end $$;
-- The caller's own verification, which has not ended.
create function audit.verifying(verification uuid) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare who uuid := tenancy.reviewer('verify');
begin
  if not exists (select from audit.verification v where v.id = verifying.verification and v.user_id = who and v.finished_at is null) then
    raise exception 'no verification of yours is open under this id' using errcode = '02000';
  end if;
end $$;
-- Hands out a part. What was kept of verifications that ended a week ago goes.
create function audit.check_part(verification uuid, path text, task jsonb) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform audit.verifying(verification);
  if length(path) > 300 or octet_length(task::text) > 64 * 1024 * 1024 then raise exception 'this is no part' using errcode = '22023'; end if;
  delete from audit.part_check c using audit.verification v where v.id = c.verification and v.finished_at < clock_timestamp() - interval '7 days';
  insert into audit.part_check (verification, path, task) values (check_part.verification, check_part.path, check_part.task);
  update audit.verification v set by_workers = true where v.id = check_part.verification and not v.by_workers;
  perform audit.enter_part(verification, path);
end $$;
-- What has come of parts: the outcomes of those that are through, and how many others a worker is at. A part whose worker has not been seen for so long, or that no worker has been given, is
-- handed out again, five times at most.
create function audit.parts_checked(verification uuid, paths text[], silent interval) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare p text;
begin
  perform audit.verifying(verification);
  if silent < interval '5 seconds' then raise exception 'a worker may be silent for 5 seconds' using errcode = '22023'; end if;
  update audit.part_check c set finished_at = clock_timestamp(), outcome = jsonb_build_object('error', format('%s workers began on it and none came to its end', c.tries))
    where c.verification = parts_checked.verification and c.path = any (paths) and c.outcome is null and c.tries >= 5 and c.beat_at < clock_timestamp() - silent;
  for p in update audit.part_check c set asked_at = clock_timestamp() where c.verification = parts_checked.verification and c.path = any (paths) and c.outcome is null
      and greatest(c.asked_at, c.beat_at) < clock_timestamp() - silent
      and not exists (select from river.river_job j where j.kind = 'verify_part' and j.queue = 'parts' and j.state in ('available', 'pending', 'retryable', 'scheduled')
        and j.args = jsonb_build_object('verification', c.verification, 'path', c.path)) returning c.path loop
    perform audit.enter_part(verification, p);
  end loop;
  return (select jsonb_build_object('busy', count(*) filter (where c.outcome is null and c.beat_at > clock_timestamp() - silent),
      'done', coalesce(jsonb_object_agg(c.path, c.outcome) filter (where c.outcome is not null), '{}'))
    from audit.part_check c where c.verification = parts_checked.verification and c.path = any (paths));
end $$;
-- +goose StatementEnd
revoke execute on function audit.enter_part, audit.verifying from public;
grant execute on function audit.check_part, audit.parts_checked to ward_reviewer;
reset role;
