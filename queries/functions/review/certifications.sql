-- The certifications that review.browse_certifications recorded, newest first.
create or replace function review.certifications()
  returns setof json
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare ask tenancy.disclosure := tenancy.the_ask('certifications');
begin
  return query select to_json(c)
  from review.certification_rows(ask.user_id, 'infinity') c
  where c.id = any (ask.ids)
  order by c.certified_at desc;
end $$;

grant execute on function review.certifications to ward_reviewer;
