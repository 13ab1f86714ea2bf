-- Makes anew what protect and relate made for a table: the same protection by this release's generator. Run by the
-- table's owner, or by a role that may act as the owner. It reads no row: the triggers keep what ward knows of them.
create or replace function tenancy.protect_again(target regclass) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  protected tenancy.phi_table;
  related record;
begin
  select * into protected from tenancy.phi_table p where p.record_table = target::text;
  if not found then
    raise exception '% is not a protected table', target
      using errcode = '55000', hint = 'protect it first: select tenancy.protect(...)';
  end if;
  perform tenancy.protect(target, protected.subject_column, protected.open_columns, reindex => false);
  for related in select * from tenancy.relation r where r.record_table = target::text loop
    perform tenancy.relate(target, related.kind, jsonb_strip_nulls(jsonb_build_object(
      'user', related.user_column, 'patient', related.patient_column, 'from', related.from_column,
      'to', related.to_column, 'author', related.author_column, 'void', related.void_column,
      'known', related.known_column)), reindex => false);
  end loop;
end $$;

grant execute on function tenancy.protect_again to ward_migrate;
