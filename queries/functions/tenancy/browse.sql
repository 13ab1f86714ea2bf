-- A list of tenancy's: recorded and committed by tenancy.browse, then read by the function of that list. what: tenants,
-- users, user (one, with what disabling it would do), members (of clinic arg, or of all within reach), member (one,
-- with what terminating it would do), grants, oncall, roles (arg: one), services (arg: one), sessions (live ones, of
-- user arg or of all within reach), keys, applications.
create or replace function tenancy.browse(ask uuid, what text, arg text default null)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  who uuid := tenancy.reviewer('browse');
  named uuid;
  member tenancy.membership;
  filter jsonb := jsonb_strip_nulls(jsonb_build_object('of', arg));
  shown jsonb;
begin
  if what not in (
    'tenants', 'users', 'user', 'members', 'member', 'grants', 'oncall', 'roles', 'services', 'sessions', 'keys',
    'applications'
  ) then
    raise exception 'tenancy has no list "%"', what using errcode = '22023',
        hint = 'tenants, users, members, grants, oncall, roles, services, sessions, keys or applications';
  end if;
  if what = 'member' then
    member := tenancy.membership_named(arg, 'browse');
    perform tenancy.look(
      ask, what => 'list:member', action => 'browse', shown => null, filter => filter, ids => array[member.id],
      tenant => member.tenant_id
    );
  elsif what = 'members' and arg is not null then
    named := tenancy.tenant_named(arg, 'browse');
    perform tenancy.look(
      ask, what => 'list:members', action => 'browse', shown => null, filter => filter, ids => array[named],
      tenant => named
    );
  elsif what = 'sessions' then
    perform tenancy.browse_sessions(ask, arg);
  elsif what = 'user' then
    named := tenancy.user_named(arg);
    if not tenancy.sees_user(who, named) then
      raise exception 'no user "%" within your reach', arg using errcode = '02000', hint = 'ward user list shows them';
    end if;
    perform tenancy.look(
      ask, what => 'list:user', action => 'browse', shown => null, filter => filter, ids => array[named]
    );
  else
    if what = 'keys' then perform tenancy.reviewer('configure'); end if;
    if what = 'members' then
      select jsonb_object_agg(t.id, '[]'::jsonb) into shown
      from tenancy.tenant t
      where t.kind = 'clinic' and tenancy.reaches(who, t.id, 'browse');
    end if;
    perform tenancy.look(
      ask, what => 'list:' || what, action => 'browse', shown => shown, filter => filter, ids => null
    );
  end if;
end $$;

grant execute on function tenancy.browse to ward_reviewer;
