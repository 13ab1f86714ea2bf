-- Another role is another membership; the old one ends in the same transaction, and its sessions with it.
create or replace function tenancy.change_role(membership text, role text, reason text)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  member tenancy.membership := tenancy.membership_named(membership, 'terminate');
  done jsonb;
begin
  perform tenancy.reviewer('configure', member.tenant_id);
  if member.terminated_at is not null then
    raise exception 'this membership is terminated: ward member add makes another' using errcode = '55000';
  end if;
  if member.user_id = tenancy.user_id() then
    raise exception 'nobody changes their own role' using errcode = 'WARD2';
  end if;
  if member.role = 'patient' or change_role.role = 'patient' then
    raise exception 'a portal identity is no other role''s: terminate it, or ward member add' using errcode = '22023';
  end if;
  if exists (
    select from tenancy.membership m
    where m.tenant_id = member.tenant_id
      and m.user_id = member.user_id
      and m.role = change_role.role
      and m.terminated_at is null
  ) then
    raise exception 'this person has the role % there already', change_role.role using errcode = '23505';
  end if;
  done := tenancy.close_membership(member, reason, ended_on => null);
  return done || jsonb_build_object(
    'new_membership', tenancy.new_member(
      member.tenant_id, person => member.user_id, role => change_role.role, patient => null, instead_of => member.id
    ),
    'role', change_role.role
  );
end $$;

grant execute on function tenancy.change_role to ward_reviewer;
