-- Sets how many days the law of a State gives to notify individuals; null: no term of its own. Only an administrator
-- over all clinics may.
create or replace function review.set_state_term(state text, days int, citation text)
  returns bigint
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  who uuid := tenancy.reviewer('configure');
  event_id bigint;
begin
  if tenancy.reach(who, 'configure') is not null then
    raise exception 'only an administrator over all clinics may set the term of a State' using errcode = '42501';
  end if;
  if coalesce(state, '') !~ '^[A-Z]{2}$' or days not between 1 and 60 then
    raise exception 'the term of a State needs its two capital letters and 1 to 60 days, not "%" and %',
      coalesce(state, ''), days
      using errcode = '22023';
  end if;
  event_id := audit.write(
    tenant => tenancy.installation(), action => 'configure',
    detail => jsonb_build_object('term', 'state', 'state', state, 'days', days, 'citation', citation)::text,
    purpose => 'audit'
  );
  insert into review.state_term (state, days, citation, by_user)
  values (set_state_term.state, set_state_term.days, core.require_reason(citation), who);
  perform review.recount(null);
  return event_id;
end $$;

grant execute on function review.set_state_term to ward_reviewer;
