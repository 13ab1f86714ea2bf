-- Adds a person or a service account. A person without a password signs in at an identity provider.
create or replace function tenancy.add_user(
  slug text, name text, kind text default 'human', owner text default null, password text default null
)
  returns uuid
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare person uuid;
begin
  perform tenancy.reviewer('configure');
  if exists (select from tenancy.users u where u.slug = add_user.slug) then
    raise exception 'there is a user "%" already', slug using errcode = '23505',
        hint = 'one user is one person for life: a second clinic is a second membership (ward member add)';
  end if;
  if kind = 'service' and owner is null then
    raise exception 'a service account needs an owner'
      using errcode = '22023', hint = '--owner names the person who answers for it';
  end if;
  if kind = 'service' and password is not null then
    raise exception 'a service account has no password'
      using errcode = '22023', hint = 'ward service secret gives it a secret';
  end if;
  insert into tenancy.users (slug, name, kind, owner_id, password_hash)
  values (
    add_user.slug, add_user.name, add_user.kind,
    case when owner is not null then tenancy.user_named(owner) end,
    case when password is not null then tenancy.new_password(password) end
  ) returning id into person;
  perform audit.write(
    tenancy.installation(), 'configure', 'ok',
    jsonb_build_object('what', 'user add', 'user', person, 'kind', kind)::text
  );
  return person;
end $$;

grant execute on function tenancy.add_user to ward_reviewer;
