-- Which of these names (short names or ids) are users that are, or were, members of the clinic. Under the import's own,
-- committed event.
create or replace function audit.import_actors(actors text[])
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare a tenancy.disclosure := tenancy.the_ask('import');
begin
  perform tenancy.reviewer('import', a.tenant_id);
  if cardinality(actors) > 5000 then raise exception 'at most 5,000 at a time' using errcode = '22023'; end if;
  return (
    select coalesce(jsonb_object_agg(x, u.id), '{}')
    from unnest(actors) x join tenancy.users u on u.slug = x or u.id::text = x
    where exists (select from tenancy.membership m where m.user_id = u.id and m.tenant_id = a.tenant_id)
  );
end $$;

grant execute on function audit.import_actors to ward_reviewer;
