-- A trigger: rows of this table are history, which nobody changes or removes.
create or replace function core.append_only()
  returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception '% of %.% is refused: history is append-only', tg_op, tg_table_schema, tg_table_name
    using errcode = '42501';
end $$;
