-- What a reviewer needs in order to read on in the archive, under an open lease: whose rows, by which filter, up to
-- when, and how far the archive must reach.
create or replace function audit.archive_lease()
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  a tenancy.disclosure := tenancy.the_ask('events');
  f jsonb := a.payload->'filter';
begin
  return (
    select jsonb_build_object(
      'tenant_id', a.tenant_id, 'region', tenancy.region_here(), 'filter', f,
      'head_size', coalesce(max(p.head_size), 0),
      'before', (max(p.month) + interval '1 month') at time zone 'UTC',
      'subject_records', case
        when f ? 'subject_id' then (
          select coalesce(jsonb_agg(r.record_table || ' ' || r.record_id), '[]')
          from tenancy.record r
          where r.tenant_id = a.tenant_id and r.subject_id = (f->>'subject_id')::uuid
        )
      end
    )
    from audit.pruned p
  );
end $$;

grant execute on function audit.archive_lease to ward_reviewer;
