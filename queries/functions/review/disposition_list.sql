-- The dispositions that review.browse_settings leased.
create or replace function review.disposition_list()
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform tenancy.the_ask('dispositions');
  return query select jsonb_array_elements(review.dispositions(null));
end $$;

grant execute on function review.disposition_list to ward_reviewer;
