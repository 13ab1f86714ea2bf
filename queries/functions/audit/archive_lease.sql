-- What a reviewer needs in order to read on in the archive, under an open lease: whose rows, by which filter, up to
-- when, and how far the archive must reach.
create or replace function audit.archive_lease()
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  ask tenancy.disclosure := tenancy.the_ask('events');
  filter jsonb := ask.payload->'filter';
begin
  return (
    select jsonb_build_object(
      'tenant_id', ask.tenant_id, 'region', tenancy.region_here(), 'filter', filter,
      'head_size', coalesce(max(p.head_size), 0),
      'before', (max(p.month) + interval '1 month') at time zone 'UTC',
      'subject_records', case
        when filter ? 'subject_id' then (
          select coalesce(jsonb_agg(rec.record_table || ' ' || rec.record_id), '[]')
          from tenancy.record rec
          where rec.tenant_id = ask.tenant_id and rec.subject_id = (filter->>'subject_id')::uuid
        )
      end
    )
    from audit.pruned p
  );
end $$;

grant execute on function audit.archive_lease to ward_reviewer;
