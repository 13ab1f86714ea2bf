-- One membership, with what terminating it would do; review.show_member adds what is open about the person.
create or replace function tenancy.show_member()
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  a tenancy.disclosure := tenancy.the_ask('list:member');
  who uuid := tenancy.user_id();
begin
  return query select tenancy.member_row(m) || jsonb_build_object(
    'upcoming_appointments', (
      select count(*)
      from tenancy.relationship r
      where r.user_id = m.user_id
        and r.tenant_id = m.tenant_id
        and r.kind = 'appointment'
        and r.from_at > clock_timestamp()
        and r.void_at is null
    ),
    'other_memberships', coalesce((
      select jsonb_agg(jsonb_build_object('tenant', t.slug, 'tenant_name', t.name, 'role', o.role))
      from tenancy.membership o join tenancy.tenant t on t.id = o.tenant_id
      where o.user_id = m.user_id
        and o.id <> m.id
        and o.terminated_at is null
        and tenancy.reaches(who, o.tenant_id, 'browse')
    ), '[]')
  ) || tenancy.left_behind(m.user_id, who)
  from tenancy.membership m
  where m.id = a.ids[1];
end $$;
