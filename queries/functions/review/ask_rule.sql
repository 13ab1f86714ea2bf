-- Owner: ward_rule
-- Runs a rule's query and returns at most so many rows, as JSON by the columns' names. calls: every name that stands
-- before a parenthesis in its text. A volatile function among them is refused, since it could act, wait, or answer
-- otherwise the next time.
create or replace function review.ask_rule(sql text, calls text[], low bigint, high bigint, at timestamptz, most int)
  returns setof jsonb
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
declare bad text;
begin
  select string_agg(distinct p.proname, ', ') into bad
  from pg_proc p
  where p.proname = any (calls) and p.provolatile = 'v';
  if bad is not null then
    raise exception 'a rule may not call a volatile function: %', bad
      using errcode = '42501', hint = 'such a function could act, wait, or answer otherwise the next time';
  end if;
  return query execute 'select to_jsonb(answer) from (' || sql || E'\n) answer limit ' || most using low, high, at;
end $$;

grant execute on function review.ask_rule to ward_worker;
