create or replace function tenancy.issuer_named(named text)
  returns tenancy.issuer
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
declare i tenancy.issuer;
begin
  select * into i from tenancy.issuer x where x.issuer = named and x.ended_at is null;
  if i.id is null then
    raise exception 'issuer % is not declared', named
      using errcode = '02000', hint = 'ward oidc list shows them; ward oidc add declares one';
  end if;
  return i;
end $$;
