-- The terms of clinics within reach and of States that review.browse_settings leased.
create or replace function review.terms()
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  ask tenancy.disclosure := tenancy.the_ask('terms');
  reach uuid[] := tenancy.reach(ask.user_id, 'browse');
begin
  return query select jsonb_build_object(
    'tenant', t.slug, 'state', newest.state, 'days', newest.contract_days, 'why', newest.reason,
    'by', tenancy.slug_of(newest.by_user), 'at', newest.at
  )
  from (select distinct on (tt.tenant_id) tt.* from review.tenant_term tt order by tt.tenant_id, tt.id desc) newest
    join tenancy.tenant t on t.id = newest.tenant_id
  where reach is null or t.id = any (reach)
  order by t.slug;
  return query select jsonb_build_object(
    'tenant', null, 'state', newest.state, 'days', newest.days, 'why', newest.citation,
    'by', tenancy.slug_of(newest.by_user), 'at', newest.at
  )
  from (select distinct on (st.state) st.* from review.state_term st order by st.state, st.id desc) newest
  where newest.days is not null
  order by newest.state;
end $$;

grant execute on function review.terms to ward_reviewer;
