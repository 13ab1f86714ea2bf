-- One membership, with what terminating it would do; review.show_member adds what is open about the person.
create or replace function tenancy.show_member()
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  ask tenancy.disclosure := tenancy.the_ask('list:member');
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
      select jsonb_agg(jsonb_build_object('tenant', t.slug, 'tenant_name', t.name, 'role', other.role))
      from tenancy.membership other join tenancy.tenant t on t.id = other.tenant_id
      where other.user_id = m.user_id
        and other.id <> m.id
        and other.terminated_at is null
        and tenancy.reaches(who, other.tenant_id, 'browse')
    ), '[]')
  ) || tenancy.left_behind(m.user_id, who)
  from tenancy.membership m
  where m.id = ask.ids[1];
end $$;
