create or replace function tenancy.browse_issuers(ask uuid)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform tenancy.reviewer_of('configure', null);
  perform tenancy.look(ask, 'list:issuers', 'browse', null, '{}', null);
end $$;

grant execute on function tenancy.browse_issuers to ward_reviewer;
