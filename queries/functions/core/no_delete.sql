-- A trigger: rows of this table end, by a mark, and are never removed.
create or replace function core.no_delete() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception '% of %.% is refused: rows here are ended, never removed', tg_op, tg_table_schema, tg_table_name
    using errcode = '42501';
end $$;
