-- Refuses to change what others rely on; the argument says what it is.
create or replace function core.fixed() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception 'the % of a row of %.% cannot be changed', tg_argv[0], tg_table_schema, tg_table_name
    using errcode = '42501';
end $$;
