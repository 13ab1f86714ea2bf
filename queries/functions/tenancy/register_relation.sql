-- Notes which columns of a table say who cares for whom (tenancy.relate).
create or replace function tenancy.register_relation(target text, kind text, columns jsonb)
  returns void
  language sql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
  insert into tenancy.relation
  values (
    target, kind, columns->>'user', columns->>'patient', columns->>'from', columns->>'to', columns->>'author',
    columns->>'void', columns->>'known'
  ) on conflict (record_table, kind) do update
  set user_column = excluded.user_column, patient_column = excluded.patient_column, from_column = excluded.from_column,
    to_column = excluded.to_column, author_column = excluded.author_column, void_column = excluded.void_column,
    known_column = excluded.known_column
$$;

grant execute on function tenancy.register_relation to ward_migrate;
