-- One membership, with what terminating it would do and leave open.
create or replace function review.show_member()
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare a tenancy.disclosure := tenancy.the_ask('list:member');
begin
  return query select m || jsonb_build_object(
    'open_anomalies', (
      select count(*)
      from review.anomaly x
      where x.actor_id = (m->>'user_id')::uuid and x.tenant_id = a.tenant_id and x.open
    )
  )
  from tenancy.show_member() m;
end $$;

grant execute on function review.show_member to ward_reviewer;
