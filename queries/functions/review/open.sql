-- Records that an anomaly is opened; review.details reads it.
create or replace function review.open(ask uuid, anomaly text)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare the_anomaly review.anomaly := review.anomaly_within(anomaly, 'browse');
begin
  perform tenancy.look(
    ask => ask, what => 'anomaly', action => 'open', shown => null,
    filter => jsonb_build_object('anomaly', the_anomaly.id), ids => array[the_anomaly.id],
    tenant => the_anomaly.tenant_id
  );
end $$;

grant execute on function review.open to ward_reviewer;
