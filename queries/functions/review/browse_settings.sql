-- Records a look at settings. what: terms, accounts or dispositions.
create or replace function review.browse_settings(ask uuid, what text)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform tenancy.reviewer('browse');
  if what not in ('terms', 'accounts', 'dispositions') then
    raise exception 'there are no settings "%"', what
      using errcode = '22023', hint = 'the settings are terms, accounts and dispositions';
  end if;
  perform tenancy.look(ask => ask, what => what, action => 'browse', shown => null, filter => '{}', ids => '{}');
end $$;

grant execute on function review.browse_settings to ward_reviewer;
