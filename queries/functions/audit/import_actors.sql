-- Which of these names (short names or ids) are users that are, or were, members of the clinic. Under the import's own,
-- committed event.
create or replace function audit.import_actors(actors text[])
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare ask tenancy.disclosure := tenancy.the_ask('import');
begin
  perform tenancy.reviewer('import', ask.tenant_id);
  if cardinality(actors) > 5000 then
    raise exception 'at most 5,000 users can be looked up in one call, not %', cardinality(actors)
      using errcode = '22023', hint = 'ask for them in several calls';
  end if;
  return (
    select coalesce(jsonb_object_agg(actor, u.id), '{}')
    from unnest(actors) actor join tenancy.users u on u.slug = actor or u.id::text = actor
    where exists (select from tenancy.membership m where m.user_id = u.id and m.tenant_id = ask.tenant_id)
  );
end $$;

grant execute on function audit.import_actors to ward_reviewer;
