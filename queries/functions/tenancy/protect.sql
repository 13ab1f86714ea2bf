-- Protects a table, or protects it anew after its columns changed. Run by its owner (or a role that may act as the
-- owner); refuses with every obstacle named, and then changes nothing. subject names the patient's column, open the
-- columns that are not PHI (a version for optimistic locking, say). reindex false: the rows that are there are known.
create or replace function tenancy.protect(
  target regclass,
  subject text default null,
  open text[] default '{}',
  reindex boolean default true
)
  returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  obstacles text[];
  columns text;
  keys text[] := array['tenant_id', 'id'];
  missing text;
  oracles text[];
  part regclass;
begin
  select array_agg(o) into obstacles from tenancy.obstacles(target, open) o;
  if obstacles is not null then
    raise exception E'% cannot be protected yet:\n  %', target, array_to_string(obstacles, E'\n  ')
      using errcode = '55000';
  end if;
  select string_agg(x, ', ') into missing
  from unnest(open || coalesce(subject, 'id')) x
  where not exists (
    select from pg_attribute a where a.attrelid = target and a.attname = x and a.attnum > 0 and not a.attisdropped
  );
  if missing is not null then raise exception '% has no column %', target, missing using errcode = '42703'; end if;
  -- PostgreSQL 18: a virtual column is null in a trigger, and the events would name no patient
  if exists (select from pg_attribute a where a.attrelid = target and a.attname = subject and a.attgenerated = 'v') then
    raise exception 'column % of % is a virtual generated column, which no trigger sees: make it STORED',
      subject, target
      using errcode = '55000';
  end if;
  select coalesce(array_agg(c.relname::text order by c.relname), '{}') into oracles
  from pg_index i join pg_class c on c.oid = i.indexrelid
  where i.indrelid = target and (i.indisunique or i.indisexclusion) and not i.indisprimary;
  if oracles <> '{}' then
    raise notice
      '%: a violation of % tells that the value exists in the same clinic; tenancy.phi_table lists this as accepted',
      target, array_to_string(oracles, ', ');
  end if;

  perform tenancy.register(target::text, subject, open, oracles);
  execute format('alter table %s enable row level security', target);
  execute format('alter table %s force row level security', target);
  execute format('drop policy if exists tenant_boundary on %s', target);
  execute format('drop policy if exists disclosed on %s', target);
  execute format('drop policy if exists through_view on %s', target);
  execute format(
    'create policy tenant_boundary on %s as restrictive to ward_app, ward_reader '
      'using (tenant_id = (select tenancy.tenant_id())) with check (tenant_id = (select tenancy.tenant_id()))',
    target
  );
  execute format(
    'create policy disclosed on %s to ward_app '
      'using (id = any ((select (tenancy.disclosed(%L)).ids)::uuid[])) with check (true)',
    target, target::text
  );
  execute format('create policy through_view on %s for select to ward_reader using (true)', target);
  execute format('drop trigger if exists audit_write on %s', target);
  execute format(
    'create trigger audit_write after insert or update or delete on %s '
      'for each row execute function tenancy.on_write(%L)',
    target, coalesce(subject, '')
  );
  execute format('alter table %s enable always trigger audit_write', target);
  execute format('revoke all on %s from public, ward_app, ward_worker, ward_reviewer', target);
  select string_agg(quote_ident(a.attname), ', ') into columns
  from pg_attribute a
  where a.attrelid = target and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' and a.attname <> all (keys);
  execute format('grant insert, delete on %s to ward_app', target);
  if columns is not null then execute format('grant update (%s) on %s to ward_app', columns, target); end if;
  select string_agg(quote_ident(x), ', ') into columns from unnest(keys || open) x;
  execute format('grant select (%s) on %s to ward_app', columns, target);
  execute format('grant select on %s to ward_reader', target);
  -- a partition is its own row-security object: forced, without a policy, it is reachable through its table alone
  for part in select relid from pg_partition_tree(target) where relid <> target loop
    execute format('alter table %s enable row level security', part);
    execute format('alter table %s force row level security', part);
    execute format('revoke all on %s from public, ward_app, ward_worker, ward_reviewer, ward_reader', part);
  end loop;
  perform tenancy.enter_schema(target);
  perform tenancy.make_view(target);
  if reindex then perform tenancy.reindex(target); end if;
end $$;

grant execute on function tenancy.protect to ward_migrate;
