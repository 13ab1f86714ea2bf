-- Records a look and permits it for the review lease. A look at one clinic (tenant) is an event there, with the ids. A
-- look over several is an event in the installation tenant, with the number shown, and one in each clinic shown, with
-- the ids of its own.
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
  insert into audit.event (
    tenant_id, user_id, actor_kind, session_id, membership_id, disclosure_id, action, purpose, detail
  )
  select place.tenant_id, (claims->>'sub')::uuid, coalesce(claims->>'kind', 'unknown'), (claims->>'sid')::uuid,
    (claims->>'mid')::uuid, ask, look.action, 'audit',
    (jsonb_build_object('screen', what, 'filter', filter) || place.listed)::text
  from (
    select look.tenant, jsonb_build_object('ids', coalesce(to_jsonb(look.ids), '[]')) where look.tenant is not null
    union all
    select tenancy.installation(), jsonb_build_object('shown', coalesce(cardinality(look.ids), 0))
    where look.tenant is null
    union all
    select key::uuid, jsonb_build_object('ids', value)
    from jsonb_each(coalesce(look.shown, '{}'))
    where look.tenant is null
  ) place(tenant_id, listed);
  perform tenancy.remember_ask(
    ask, what => what, ids => ids, payload => filter,
    lease => (select s.review_lease from tenancy.setting s where s.one),
    tenant => tenant, claims => claims
  );
end $$;
