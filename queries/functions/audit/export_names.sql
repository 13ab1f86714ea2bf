-- Roles of the clinic's memberships, and names for patients by which the receiving system knows them and no other does.
create or replace function audit.export_names(memberships uuid[], patients uuid[])
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare a tenancy.disclosure := tenancy.the_ask('events');
begin
  if cardinality(memberships) > 5000 or cardinality(patients) > 10000 then
    raise exception 'too many at a time' using errcode = '22023';
  end if;
  return jsonb_build_object(
    'tenant_id', a.tenant_id, 'region', tenancy.region_here(),
    'roles', (
      select coalesce(jsonb_object_agg(m.id, m.role), '{}')
      from tenancy.membership m
      where m.tenant_id = a.tenant_id and m.id = any (memberships)
    ),
    'patients', (
      select coalesce(
        jsonb_object_agg(
          p, tenancy.fingerprint(concat_ws('|', 'export', a.payload->'form'->>'system', a.tenant_id, p))
        ),
        '{}'
      )
      from unnest(patients) p
    )
  );
end $$;

grant execute on function audit.export_names to ward_reviewer;
