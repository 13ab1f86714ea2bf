-- One person's events at every clinic within reach, under the one user_id they have. Each clinic has its own open
-- event, and one goes to the installation.
create or replace function audit.open_user(
  ask uuid, who text, reason text, filter jsonb default '{}', ticket text default null
)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  by_user uuid := tenancy.reviewer('open');
  u uuid := tenancy.user_named(who);
  f jsonb := audit.checked_filter(coalesce(filter, '{}') - 'actor');
  t uuid;
  lease interval := (select x.review_lease from tenancy.setting x);
  said jsonb;
begin
  if length(btrim(coalesce(reason, ''), E' \t\r\n')) < 4 then
    raise exception 'opening a person''s events needs a reason of at least four characters' using errcode = '22023';
  end if;
  said := jsonb_build_object('screen', 'events of a user', 'user', u, 'reason', reason, 'ticket', ticket, 'filter', f);
  perform audit.write(tenancy.installation(), 'open', 'ok', said::text, null, null, null, 'audit', ask);
  for t in
    select x.id
    from tenancy.tenant x
    where tenancy.reaches(by_user, x.id, 'open')
      and (
        exists (select from tenancy.membership m where m.tenant_id = x.id and m.user_id = u)
        or exists (select from audit.event e where e.tenant_id = x.id and e.user_id = u)
      )
  loop
    if t <> tenancy.installation() then
      perform audit.write(t, 'open', 'ok', said::text, null, null, null, 'audit', ask);
    end if;
    perform tenancy.remember_ask(ask, 'events of a user', array[u], jsonb_build_object('filter', f), lease, t);
  end loop;
end $$;

grant execute on function audit.open_user to ward_reviewer;
