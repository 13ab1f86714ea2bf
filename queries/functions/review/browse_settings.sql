-- What: terms, accounts or dispositions.
create or replace function review.browse_settings(ask uuid, what text)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare who uuid := tenancy.reviewer('browse');
begin
  if what not in ('terms', 'accounts', 'dispositions') then
    raise exception 'terms, accounts or dispositions' using errcode = '22023';
  end if;
  perform tenancy.look(ask, what, 'browse', null, '{}', '{}');
end $$;

grant execute on function review.browse_settings to ward_reviewer;
