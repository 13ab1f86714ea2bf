-- The newest committed ask of that kind, whose lease is not over; raises where there is none.
create or replace function tenancy.the_ask(what text, claims jsonb default tenancy.claims())
  returns tenancy.disclosure
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare ask tenancy.disclosure;
begin
  select * into ask from tenancy.asked(what, claims) d order by d.expires_at desc limit 1;
  if not found then
    raise exception 'this look was not recorded, or its lease is over: open it again' using errcode = 'WARD5';
  end if;
  -- a reach that has ended since ends the lease: here for what was leased of one clinic; what spans several is cut to
  -- the reach by its reader
  perform tenancy.reviewer('browse', ask.tenant_id, claims);
  return ask;
end $$;
