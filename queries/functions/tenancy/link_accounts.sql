-- Says that two accounts are one person's, or (ending) no longer: conflicts of interest then count for both.
create or replace function tenancy.link_accounts(account text, same_as text, reason text, ending boolean default false)
  returns bigint
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  who uuid := tenancy.reviewer_of('configure', tenant => null);
  account_id uuid := tenancy.user_named(account);
  other_id uuid := tenancy.user_named(same_as);
  event_id bigint;
begin
  if account_id = other_id then
    raise exception '% and % are the same account: name two', account, same_as using errcode = '22023';
  end if;
  if ending and tenancy.accounts_of(who) && array[account_id, other_id] then
    raise exception 'one of these accounts is your own, so you cannot part them: another administrator has to do it'
      using errcode = 'WARD2';
  end if;
  event_id := audit.write(tenancy.installation(), 'configure', 'ok', detail => jsonb_build_object(
    'accounts', jsonb_build_array(account_id, other_id), 'one_person', not ending,
    'reason', core.require_reason(reason)
  )::text, purpose => 'audit');
  if ending then
    update tenancy.account_link l
    set ended_at = clock_timestamp(), ended_by = who, end_reason = core.require_reason(link_accounts.reason)
    where l.ended_at is null and ((l.user_id, l.same_as) in ((account_id, other_id), (other_id, account_id)));
    if not found then
      raise exception '% and % are not linked', account, same_as
        using errcode = '02000', hint = 'ward user accounts shows the links';
    end if;
  else
    if other_id = any (tenancy.accounts_of(account_id)) then
      raise exception '% and % are accounts of one person already', account, same_as using errcode = '23505';
    end if;
    insert into tenancy.account_link (user_id, same_as, linked_by, reason)
    values (account_id, other_id, who, core.require_reason(reason));
  end if;
  return event_id;
end $$;

grant execute on function tenancy.link_accounts to ward_reviewer;
