-- Declares that this installation fills an input, or no longer does. The rules that need it are enabled, or NOT
-- ENABLED, from then on; a rule that is enabled anew reads from the first event on. Only an administrator over all
-- clinics may do this. It is an event.
create or replace function review.declare_input(input text, ready boolean, reason text)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform tenancy.reviewer_of(action => 'configure', tenant => null);
  if ready is null or not exists (select from review.input i where i.name = declare_input.input) then
    raise exception 'there is no input "%"', input using errcode = '02000',
        hint = 'the inputs are ' || (select string_agg(i.name, ', ' order by i.name) from review.input i);
  end if;
  perform audit.write(tenancy.installation(), 'configure', 'ok', jsonb_build_object(
    'what', 'input ' || case when ready then 'declared' else 'withdrawn' end, 'input', input,
    'reason', core.require_reason(reason)
  )::text);
  update review.input i set ready = declare_input.ready where i.name = declare_input.input;
  update review.rule r
  set missing = case
    when ready then array_remove(r.missing, declare_input.input)
    else array_append(array_remove(r.missing, declare_input.input), declare_input.input)
  end, known_since = clock_timestamp()
  where r.front_matter->'requires' ? declare_input.input;
end $$;

grant execute on function review.declare_input to ward_reviewer;
