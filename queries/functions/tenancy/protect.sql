-- Protects a table, or protects it anew after its columns changed. Run by its owner (or a role that may act as the
-- owner); refuses with every obstacle named, and then changes nothing. subject names the patient's column, open the
-- columns that are not PHI (a version for optimistic locking, say). reindex false: the rows that are there are known.
create or replace function tenancy.protect(
  t regclass,
  subject text default null,
  open text[] default '{}',
  reindex boolean default true
)
  returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  found text[];
  cols text;
  keys text[] := array['tenant_id', 'id'];
  bad text;
  oracles text[];
  part regclass;
begin
  select array_agg(o) into found from tenancy.obstacles(t, open) o;
  if found is not null then
    raise exception E'% cannot be protected yet:\n  %', t, array_to_string(found, E'\n  ') using errcode = '55000';
  end if;
  select string_agg(x, ', ') into bad
  from unnest(open || coalesce(subject, 'id')) x
  where not exists (
    select from pg_attribute a where a.attrelid = t and a.attname = x and a.attnum > 0 and not a.attisdropped
  );
  if bad is not null then raise exception '% has no column %', t, bad using errcode = '42703'; end if;
  -- PostgreSQL 18: a virtual column is null in a trigger, and the events would name no patient
  if exists (select from pg_attribute a where a.attrelid = t and a.attname = subject and a.attgenerated = 'v') then
    raise exception 'the column % of % is a virtual generated one, which no trigger sees: make it STORED', subject, t
      using errcode = '55000';
  end if;
  select coalesce(array_agg(c.relname::text order by c.relname), '{}') into oracles
  from pg_index i join pg_class c on c.oid = i.indexrelid
  where i.indrelid = t and (i.indisunique or i.indisexclusion) and not i.indisprimary;
  if oracles <> '{}' then
    raise notice
      '%: a violation of % tells that the value exists in the same clinic; accepted, listed in tenancy.phi_table',
      t, array_to_string(oracles, ', ');
  end if;

  perform tenancy.register(t::text, subject, open, oracles);
  execute format('alter table %s enable row level security', t);
  execute format('alter table %s force row level security', t);
  execute format('drop policy if exists tenant_boundary on %s', t);
  execute format('drop policy if exists disclosed on %s', t);
  execute format('drop policy if exists through_view on %s', t);
  execute format(
    'create policy tenant_boundary on %s as restrictive to ward_app, ward_reader '
      'using (tenant_id = (select tenancy.tenant_id())) with check (tenant_id = (select tenancy.tenant_id()))',
    t
  );
  execute format(
    'create policy disclosed on %s to ward_app '
      'using (id = any ((select (tenancy.disclosed(%L)).ids)::uuid[])) with check (true)',
    t, t::text
  );
  execute format('create policy through_view on %s for select to ward_reader using (true)', t);
  execute format('drop trigger if exists audit_write on %s', t);
  execute format(
    'create trigger audit_write after insert or update or delete on %s '
      'for each row execute function tenancy.on_write(%L)',
    t, coalesce(subject, '')
  );
  execute format('alter table %s enable always trigger audit_write', t);
  execute format('revoke all on %s from public, ward_app, ward_worker, ward_reviewer', t);
  select string_agg(quote_ident(a.attname), ', ') into cols
  from pg_attribute a
  where a.attrelid = t and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' and a.attname <> all (keys);
  execute format('grant insert, delete on %s to ward_app', t);
  if cols is not null then execute format('grant update (%s) on %s to ward_app', cols, t); end if;
  select string_agg(quote_ident(x), ', ') into cols from unnest(keys || open) x;
  execute format('grant select (%s) on %s to ward_app', cols, t);
  execute format('grant select on %s to ward_reader', t);
  -- a partition is its own row-security object: forced, without a policy, it is reachable through its table alone
  for part in select relid from pg_partition_tree(t) where relid <> t loop
    execute format('alter table %s enable row level security', part);
    execute format('alter table %s force row level security', part);
    execute format('revoke all on %s from public, ward_app, ward_worker, ward_reviewer, ward_reader', part);
  end loop;
  perform tenancy.enter_schema(t);
  perform tenancy.make_view(t);
  if reindex then perform tenancy.reindex(t); end if;
end $$;

grant execute on function tenancy.protect to ward_migrate;
