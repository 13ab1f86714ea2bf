-- One membership, with how many anomalies are open on the person there.
create or replace function review.show_member()
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare ask tenancy.disclosure := tenancy.the_ask('list:member');
begin
  return query select member || jsonb_build_object(
    'open_anomalies', (
      select count(*)
      from review.anomaly a
      where a.actor_id = (member->>'user_id')::uuid and a.tenant_id = ask.tenant_id and a.open
    )
  )
  from tenancy.show_member() member;
end $$;

grant execute on function review.show_member to ward_reviewer;
