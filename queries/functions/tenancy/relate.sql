-- columns: {"user", "patient", "from"} and optionally {"to", "author", "void", "known"}, each naming a column of the
-- protected table. reindex false: the rows that are there are known.
create or replace function tenancy.relate(t regclass, kind text, columns jsonb, reindex boolean default true)
  returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare bad text;
begin
  if not exists (select from tenancy.phi_table p where p.record_table = t::text) then
    raise exception '% is not a protected table: tenancy.protect() comes first', t using errcode = '55000';
  end if;
  select string_agg(x.value, ', ') into bad
  from jsonb_each_text(columns) x
  where x.key not in ('user', 'patient', 'from', 'to', 'author', 'void', 'known')
    or not exists (
      select from pg_attribute a
      where a.attrelid = t and a.attname = x.value and a.attnum > 0 and not a.attisdropped and a.attgenerated <> 'v'
    );
  if bad is not null or columns->>'user' is null or columns->>'patient' is null or columns->>'from' is null then
    raise exception
      'relate needs {"user", "patient", "from"} and may have {"to", "author", "void", "known"}, columns of %; wrong: %',
      t, coalesce(bad, 'one is missing')
      using errcode = '22023';
  end if;
  perform tenancy.register_relation(t::text, kind, columns);
  execute format('drop trigger if exists relate_%s on %s', kind, t);
  execute format(
    'create trigger relate_%s after insert or update or delete on %s for each row execute function '
      'tenancy.on_relation(%L)',
    kind, t, kind
  );
  if reindex then perform tenancy.reindex(t); end if;
end $$;

grant execute on function tenancy.relate to ward_migrate;
