-- Keeps tenancy.relationship by a trigger on a protected table. columns: {"user", "patient", "from"} and optionally
-- {"to", "author", "void", "known"}, each naming a column of the table. reindex false: the rows that are there are
-- known.
create or replace function tenancy.relate(target regclass, kind text, columns jsonb, reindex boolean default true)
  returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare wrong text;
begin
  if not exists (select from tenancy.phi_table p where p.record_table = target::text) then
    raise exception '% is not a protected table: tenancy.protect() comes first', target using errcode = '55000';
  end if;
  select string_agg(named.value, ', ') into wrong
  from jsonb_each_text(columns) named
  where named.key not in ('user', 'patient', 'from', 'to', 'author', 'void', 'known')
    or not exists (
      select from pg_attribute a
      where a.attrelid = target
        and a.attname = named.value
        and a.attnum > 0
        and not a.attisdropped
        and a.attgenerated <> 'v'
    );
  if wrong is not null or columns->>'user' is null or columns->>'patient' is null or columns->>'from' is null then
    raise exception
      'the columns of % need {"user", "patient", "from"} and may have {"to", "author", "void", "known"}; wrong: %',
      target, coalesce(wrong, 'one is missing')
      using errcode = '22023';
  end if;
  perform tenancy.register_relation(target::text, kind, columns);
  execute format('drop trigger if exists relate_%s on %s', kind, target);
  execute format(
    'create trigger relate_%s after insert or update or delete on %s for each row execute function '
      'tenancy.on_relation(%L)',
    kind, target, kind
  );
  if reindex then perform tenancy.reindex(target); end if;
end $$;

grant execute on function tenancy.relate to ward_migrate;
