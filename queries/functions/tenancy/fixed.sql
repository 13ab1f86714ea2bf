-- tenancy.begin does not look up again what cannot change: the login of a session's application, and the region of its clinic, which was this one when it was opened and at each
-- refresh. Another login is another application, a clinic that moves is another clinic.
create or replace function tenancy.fixed() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception 'the % of a row of %.% stays as it is', tg_argv[0], tg_table_schema, tg_table_name using errcode = '42501';
end $$;
