-- The declared identity provider of that URL; raises where there is none.
create or replace function tenancy.issuer_named(named text)
  returns tenancy.issuer
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
declare match tenancy.issuer;
begin
  select * into match from tenancy.issuer i where i.issuer = named and i.ended_at is null;
  if match.id is null then
    raise exception 'issuer % is not declared', named
      using errcode = '02000', hint = 'ward oidc list shows them; ward oidc add declares one';
  end if;
  return match;
end $$;
