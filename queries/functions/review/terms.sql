create or replace function review.terms()
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  k tenancy.disclosure := tenancy.the_ask('terms');
  reach uuid[] := tenancy.reach(k.user_id, 'browse');
begin
  return query select jsonb_build_object(
    'tenant', t.slug, 'state', x.state, 'days', x.contract_days, 'why', x.reason, 'by', tenancy.slug_of(x.by_user),
    'at', x.at
  )
  from (select distinct on (y.tenant_id) y.* from review.tenant_term y order by y.tenant_id, y.id desc) x
    join tenancy.tenant t on t.id = x.tenant_id
  where reach is null or t.id = any (reach)
  order by t.slug;
  return query select jsonb_build_object(
    'tenant', null, 'state', x.state, 'days', x.days, 'why', x.citation, 'by', tenancy.slug_of(x.by_user), 'at', x.at
  )
  from (select distinct on (y.state) y.* from review.state_term y order by y.state, y.id desc) x
  where x.days is not null
  order by x.state;
end $$;

grant execute on function review.terms to ward_reviewer;
