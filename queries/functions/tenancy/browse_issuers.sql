-- Records a look at the identity providers; tenancy.list_issuers reads them.
create or replace function tenancy.browse_issuers(ask uuid)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform tenancy.reviewer_of('configure', tenant => null);
  perform tenancy.look(ask, what => 'list:issuers', action => 'browse', shown => null, filter => '{}', ids => null);
end $$;

grant execute on function tenancy.browse_issuers to ward_reviewer;
