-- Which accounts are one person's, as far as the reviewer sees either of them.
create or replace function tenancy.list_linked_accounts()
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare ask tenancy.disclosure := tenancy.the_ask('accounts');
begin
  return query select jsonb_build_object(
    'user', tenancy.slug_of(l.user_id), 'same_as', tenancy.slug_of(l.same_as), 'reason', l.reason,
    'linked_by', tenancy.slug_of(l.linked_by), 'linked_at', l.linked_at,
    'ended_by', case when l.ended_by is not null then tenancy.slug_of(l.ended_by) end,
    'ended_at', l.ended_at, 'end_reason', l.end_reason
  )
  from tenancy.account_link l
  where tenancy.sees_user(ask.user_id, l.user_id) or tenancy.sees_user(ask.user_id, l.same_as)
  order by l.linked_at;
end $$;

grant execute on function tenancy.list_linked_accounts to ward_reviewer;
