create or replace function review.the_bundle(out b review.bundle, out s review.bundle_scope)
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare a tenancy.disclosure := tenancy.the_ask('evidence');
begin
  select * into b from review.bundle x where x.id = a.disclosure_id and x.made_by = a.user_id;
  if not review.may_everywhere(a.user_id, b.tenants, 'export') then
    raise exception 'your grants no longer reach all of this bundle''s clinics' using errcode = '42501';
  end if;
  s := row(a.user_id, b.tenants, b.from_at, b.to_at, b.as_of);
end $$;
