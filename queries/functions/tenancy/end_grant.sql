-- Ends a grant, named by its id or the first characters of it.
create or replace function tenancy.end_grant(grant_id text, reason text)
  returns uuid
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  held tenancy.reviewer_grant;
  who uuid;
  matches int;
begin
  perform tenancy.lock_administrators();
  who := tenancy.reviewer('grant');
  select count(*) into matches
  from tenancy.reviewer_grant g
  where end_grant.grant_id ~ '^[0-9a-fA-F-]{4,36}$'
    and starts_with(g.id::text, lower(end_grant.grant_id))
    and g.ended_at is null
    and case
      when g.tenant_id is null then tenancy.reaches_all(who, 'grant')
      else tenancy.reaches(who, g.tenant_id, 'grant')
    end;
  if matches <> 1 then
    raise exception '% grants in force within your reach have an id that begins with "%": name one', matches, grant_id
      using errcode = '02000', hint = 'ward grant list shows them';
  end if;
  select * into held
  from tenancy.reviewer_grant g
  where starts_with(g.id::text, lower(end_grant.grant_id))
    and g.ended_at is null
    and case
      when g.tenant_id is null then tenancy.reaches_all(who, 'grant')
      else tenancy.reaches(who, g.tenant_id, 'grant')
    end;
  if held.user_id = who then
    raise exception 'you cannot end your own grant: another administrator has to do it' using errcode = 'WARD2';
  end if;
  perform tenancy.close_grant(held, reason);
  perform tenancy.keep_administrator();
  return held.id;
end $$;

grant execute on function tenancy.end_grant to ward_reviewer;
