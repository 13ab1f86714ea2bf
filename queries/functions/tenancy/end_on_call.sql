create or replace function tenancy.end_on_call(reason text default 'done')
  returns int
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  c jsonb := tenancy.claims();
  g tenancy.reviewer_grant;
  n int := 0;
begin
  perform tenancy.reviewing();
  for g in
    select *
    from tenancy.reviewer_grant x
    where x.user_id = (c->>'sub')::uuid
      and x.role = 'on_call_engineer'
      and x.ended_at is null
      and x.expires_at > clock_timestamp()
  loop
    perform tenancy.close_grant(g, reason);
    n := n + 1;
  end loop;
  if n = 0 then
    raise exception 'you hold no on-call grant' using errcode = '02000', hint = 'ward whoami shows your grants';
  end if;
  return n;
end $$;

grant execute on function tenancy.end_on_call to ward_reviewer;
