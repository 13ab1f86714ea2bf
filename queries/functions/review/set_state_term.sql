create or replace function review.set_state_term(state text, days int, citation text)
  returns bigint
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  who uuid := tenancy.reviewer('configure');
  e bigint;
begin
  if tenancy.reach(who, 'configure') is not null then
    raise exception 'a State''s term is set by who administers every clinic' using errcode = '42501';
  end if;
  if coalesce(state, '') !~ '^[A-Z]{2}$' or days not between 1 and 60 then
    raise exception 'a State is two capital letters, its law gives 1 to 60 days' using errcode = '22023';
  end if;
  e := audit.write(
    tenancy.installation(), 'configure', 'ok',
    jsonb_build_object('term', 'state', 'state', state, 'days', days, 'citation', citation)::text,
    null, null, null, 'audit'
  );
  insert into review.state_term (state, days, citation, by_user)
  values (set_state_term.state, set_state_term.days, core.require_reason(citation), who);
  perform review.recount(null);
  return e;
end $$;

grant execute on function review.set_state_term to ward_reviewer;
