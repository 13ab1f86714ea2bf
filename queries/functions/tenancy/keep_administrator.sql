-- One administrator of every clinic remains whose grant has no end. With that, every clinic has one as well.
create or replace function tenancy.keep_administrator()
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (
    select from tenancy.reviewer_grant g join tenancy.users u on u.id = g.user_id
    where g.role = 'administrator'
      and g.tenant_id is null
      and g.ended_at is null
      and g.expires_at is null
      and u.disabled_at is null
  ) then
    raise exception 'this would leave the installation without an administrator whose grant has no end'
      using errcode = '55000', hint = 'ward grant add USER administrator comes first, without --hours';
  end if;
end $$;
