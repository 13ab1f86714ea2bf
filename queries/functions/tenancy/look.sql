-- Records a look and permits it for the review lease. An event in the installation tenant names the screen and filter;
-- each clinic shown gets its own with the ids.
create or replace function tenancy.look(
  ask uuid,
  what text,
  action text,
  shown jsonb,
  filter jsonb,
  ids uuid[],
  tenant uuid default null,
  claims jsonb default tenancy.claims()
)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tenant is null then
    insert into audit.event (tenant_id, user_id, actor_kind, session_id, disclosure_id, action, purpose, detail)
    select place.tenant_id, (claims->>'sub')::uuid, coalesce(claims->>'kind', 'unknown'), (claims->>'sid')::uuid, ask,
      look.action, 'audit',
      (jsonb_build_object('screen', what, 'filter', filter) || place.listed)::text
    from (select tenancy.installation(), jsonb_build_object('shown', coalesce(cardinality(ids), 0)) union all
      select key::uuid, jsonb_build_object('ids', value) from jsonb_each(coalesce(shown, '{}'))) place(
        tenant_id, listed
      );
  else
    perform audit.write(
      tenant, action, 'ok',
      detail => jsonb_build_object('screen', what, 'filter', filter, 'ids', coalesce(to_jsonb(ids), '[]'))::text,
      purpose => 'audit', disclosure => ask, c => claims
    );
  end if;
  perform tenancy.remember_ask(
    ask, what => what, ids => ids, payload => filter,
    lease => (select s.review_lease from tenancy.setting s where s.one),
    tenant => tenant, claims => claims
  );
end $$;
