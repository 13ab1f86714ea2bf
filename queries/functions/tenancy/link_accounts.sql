create or replace function tenancy.link_accounts(account text, same_as text, reason text, ending boolean default false)
  returns bigint
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  who uuid := tenancy.reviewer_of('configure', null);
  a uuid := tenancy.user_named(account);
  b uuid := tenancy.user_named(same_as);
  e bigint;
begin
  if a = b then raise exception 'that is one account' using errcode = '22023'; end if;
  if ending and tenancy.accounts_of(who) && array[a, b] then
    raise exception 'these are your own accounts: another administrator parts them' using errcode = 'WARD2';
  end if;
  e := audit.write(
    tenancy.installation(), 'configure', 'ok',
    jsonb_build_object(
      'accounts', jsonb_build_array(a, b), 'one_person', not ending, 'reason', core.require_reason(reason)
    )::text,
    null, null, null, 'audit'
  );
  if ending then
    update tenancy.account_link l
    set ended_at = clock_timestamp(), ended_by = who, end_reason = core.require_reason(link_accounts.reason)
    where l.ended_at is null and ((l.user_id, l.same_as) in ((a, b), (b, a)));
    if not found then raise exception '% and % are not linked', account, same_as using errcode = '02000'; end if;
  else
    if b = any (tenancy.accounts_of(a)) then
      raise exception '% and % are accounts of one person already', account, same_as using errcode = '23505';
    end if;
    insert into tenancy.account_link (user_id, same_as, linked_by, reason)
    values (a, b, who, core.require_reason(reason));
  end if;
  return e;
end $$;

grant execute on function tenancy.link_accounts to ward_reviewer;
