-- Names for rows that come from the archive: short names of users, patients of the leased clinic's records.
create or replace function audit.archive_names(users uuid[], records uuid[])
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare ask tenancy.disclosure := tenancy.the_ask('events');
begin
  if cardinality(users) > 5000 or cardinality(records) > 5000 then
    raise exception 'at most 5,000 users and 5,000 records can be named in one call, not % and %',
      cardinality(users), cardinality(records)
      using errcode = '22023', hint = 'ask for them in several calls';
  end if;
  return jsonb_build_object(
    'users', (
      select coalesce(jsonb_object_agg(u.id, u.slug), '{}') from tenancy.users u where u.id = any (archive_names.users)
    ),
    'records', (
      select coalesce(jsonb_object_agg(rec.record_table || ' ' || rec.record_id, rec.subject_id), '{}')
      from tenancy.record rec
      where rec.tenant_id = ask.tenant_id and rec.record_id = any (archive_names.records) and rec.subject_id is not null
    )
  );
end $$;

grant execute on function audit.archive_names to ward_reviewer;
