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
  t uuid;
  m tenancy.membership;
  f jsonb := jsonb_strip_nulls(jsonb_build_object('of', arg));
  shown jsonb;
begin
  if what not in (
    'tenants', 'users', 'user', 'members', 'member', 'grants', 'oncall', 'roles', 'services', 'sessions', 'keys',
    'applications'
  ) then
    raise exception 'no list "%"', what using errcode = '22023';
  end if;
  if what = 'member' then
    m := tenancy.membership_named(arg, 'browse');
    perform tenancy.look(ask, 'list:member', 'browse', null, f, array[m.id], m.tenant_id);
  elsif what = 'members' and arg is not null then
    t := tenancy.tenant_named(arg, 'browse');
    perform tenancy.look(ask, 'list:members', 'browse', null, f, array[t], t);
  elsif what = 'sessions' then
    perform tenancy.browse_sessions(ask, arg);
  elsif what = 'user' then
    t := tenancy.user_named(arg);
    if not tenancy.sees_user(who, t) then
      raise exception 'no user "%" within your reach', arg using errcode = '02000', hint = 'ward user list shows them';
    end if;
    perform tenancy.look(ask, 'list:user', 'browse', null, f, array[t]);
  else
    if what = 'keys' then perform tenancy.reviewer('configure'); end if;
    if what = 'members' then
      select jsonb_object_agg(x.id, '[]'::jsonb) into shown
      from tenancy.tenant x
      where x.kind = 'clinic' and tenancy.reaches(who, x.id, 'browse');
    end if;
    perform tenancy.look(ask, 'list:' || what, 'browse', shown, f, null);
  end if;
end $$;

grant execute on function tenancy.browse to ward_reviewer;
