-- A protected table by its name, with or without the schema public.
create or replace function tenancy.phi_table_named(named text)
  returns text
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
declare match text;
begin
  select p.record_table into match from tenancy.phi_table p where p.record_table in (named, 'public.' || named);
  if match is null then
    raise exception 'there is no protected table "%": name one of %',
      named, (select string_agg(p.record_table, ', ' order by p.record_table) from tenancy.phi_table p)
      using errcode = '02000';
  end if;
  return match;
end $$;
