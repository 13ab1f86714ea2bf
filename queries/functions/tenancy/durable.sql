-- The commit of an ask is flushed, whatever synchronous_commit the client set and whenever it set it: this trigger is
-- deferred to the commit, sets it there, and refuses to run at any other statement (SET CONSTRAINTS ... IMMEDIATE,
-- PREPARE TRANSACTION, several statements in one message), after which a client could have set it off again. Waiting
-- for the WAL position noted in the event, which an earlier form did, is not enough: the commit record can come any
-- time later. A cursor WITH HOLD is read to its end by the commit itself, after its triggers, and can switch the
-- setting off again there, so none may be open. The pattern reads comments as PostgreSQL's lexer does (see
-- tenancy.unfit). A pipeline without BEGIN commits at its Sync, where there is no query text and nothing of the
-- client's comes after: that null passes.
create or replace function tenancy.durable()
  returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if current_query() <> 'commit'
    and current_query() !~* $re$^(\s|--[^\n\r]*[\n\r]|/\*((?!/\*|\*/).)*\*/)*(commit|end)\M[^;]*;?\s*\Z$re$
  then
    raise exception 'an ask is committed by a COMMIT of its own: send it as one statement, without SET CONSTRAINTS'
      using errcode = '25000';
  end if;
  -- What the client can have run at this commit after this trigger: a WITH HOLD cursor's query, and a deferred trigger
  -- of a temporary table.
  if exists (select from pg_cursors where is_holdable) or pg_my_temp_schema() <> 0 then
    raise exception
      'an ask cannot be committed in a session with WITH HOLD cursors or temporary objects: close them first'
      using errcode = '25000';
  end if;
  if current_setting('synchronous_commit') not in ('on', 'remote_apply') then
    perform set_config('synchronous_commit', 'on', true);
  end if;
  return null;
end $$;
