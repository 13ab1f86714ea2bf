-- Gives a member another role. Another role is another membership; the old one ends in the same transaction, and its
-- sessions with it.
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
    raise exception 'this membership is terminated already, so its role cannot be changed'
      using errcode = '55000', hint = 'ward member add makes another';
  end if;
  if member.user_id = tenancy.user_id() then
    raise exception 'you cannot change your own role: another administrator has to do it' using errcode = 'WARD2';
  end if;
  if member.role = 'patient' or change_role.role = 'patient' then
    raise exception 'a portal identity keeps the role patient, and no other role becomes one'
      using errcode = '22023', hint = 'terminate this membership, and add another with ward member add';
  end if;
  if exists (
    select from tenancy.membership m
    where m.tenant_id = member.tenant_id
      and m.user_id = member.user_id
      and m.role = change_role.role
      and m.terminated_at is null
  ) then
    raise exception 'this person has the role % at that clinic already', change_role.role
      using errcode = '23505', hint = 'ward member terminate ends the membership that is not needed';
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
