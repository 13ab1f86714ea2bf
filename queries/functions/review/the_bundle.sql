-- The bundle that review.evidence_begin leased, and its scope. The reviewer must still reach all of its clinics.
create or replace function review.the_bundle(out bundle review.bundle, out scope review.bundle_scope)
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare ask tenancy.disclosure := tenancy.the_ask('evidence');
begin
  select * into bundle from review.bundle b where b.id = ask.disclosure_id and b.made_by = ask.user_id;
  if not review.may_everywhere(ask.user_id, bundle.tenants, 'export') then
    raise exception 'your grants no longer reach all of this bundle''s clinics' using errcode = '42501';
  end if;
  scope := row(ask.user_id, bundle.tenants, bundle.from_at, bundle.to_at, bundle.as_of);
end $$;
