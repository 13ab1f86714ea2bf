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
  person uuid := tenancy.user_named(who);
  checked jsonb := audit.checked_filter(coalesce(filter, '{}') - 'actor');
  clinic uuid;
  lease interval := (select s.review_lease from tenancy.setting s);
  detail jsonb;
begin
  reason := core.require_reason(reason);
  detail := jsonb_build_object(
    'screen', 'events of a user', 'user', person, 'reason', reason, 'ticket', ticket, 'filter', checked
  );
  perform audit.write(
    tenant => tenancy.installation(), action => 'open', detail => detail::text, purpose => 'audit', disclosure => ask
  );
  for clinic in
    select t.id
    from tenancy.tenant t
    where tenancy.reaches(by_user, t.id, 'open')
      and (
        exists (select from tenancy.membership m where m.tenant_id = t.id and m.user_id = person)
        or exists (select from audit.event e where e.tenant_id = t.id and e.user_id = person)
      )
  loop
    if clinic <> tenancy.installation() then
      perform audit.write(
        tenant => clinic, action => 'open', detail => detail::text, purpose => 'audit', disclosure => ask
      );
    end if;
    perform tenancy.remember_ask(
      disclosure => ask, what => 'events of a user', ids => array[person],
      payload => jsonb_build_object('filter', checked), lease => lease, tenant => clinic
    );
  end loop;
end $$;

grant execute on function audit.open_user to ward_reviewer;
