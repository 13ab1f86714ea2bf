-- Gives back the on-call grants that the caller holds. Returns how many.
create or replace function tenancy.end_on_call(reason text default 'done')
  returns int
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  claims jsonb := tenancy.claims();
  held tenancy.reviewer_grant;
  ended int := 0;
begin
  perform tenancy.reviewing();
  for held in
    select *
    from tenancy.reviewer_grant g
    where g.user_id = (claims->>'sub')::uuid
      and g.role = 'on_call_engineer'
      and g.ended_at is null
      and g.expires_at > clock_timestamp()
  loop
    perform tenancy.close_grant(held, reason);
    ended := ended + 1;
  end loop;
  if ended = 0 then
    raise exception 'you hold no on-call grant' using errcode = '02000', hint = 'ward whoami shows your grants';
  end if;
  return ended;
end $$;

grant execute on function tenancy.end_on_call to ward_reviewer;
