-- Roles of the clinic's memberships, and names for patients by which the receiving system knows them and no other does.
create or replace function audit.export_names(memberships uuid[], patients uuid[])
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare ask tenancy.disclosure := tenancy.the_ask('events');
begin
  if cardinality(memberships) > 5000 or cardinality(patients) > 10000 then
    raise exception 'at most 5,000 memberships and 10,000 patients can be named in one call, not % and %',
      cardinality(memberships), cardinality(patients)
      using errcode = '22023', hint = 'ask for them in several calls';
  end if;
  return jsonb_build_object(
    'tenant_id', ask.tenant_id, 'region', tenancy.region_here(),
    'roles', (
      select coalesce(jsonb_object_agg(m.id, m.role), '{}')
      from tenancy.membership m
      where m.tenant_id = ask.tenant_id and m.id = any (memberships)
    ),
    'patients', (
      select coalesce(
        jsonb_object_agg(
          patient, tenancy.fingerprint(concat_ws('|', 'export', ask.payload->'form'->>'system', ask.tenant_id, patient))
        ),
        '{}'
      )
      from unnest(patients) patient
    )
  );
end $$;

grant execute on function audit.export_names to ward_reviewer;
