create or replace function review.open(ask uuid, anomaly text)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare a review.anomaly := review.anomaly_within(anomaly, 'browse');
begin
  perform tenancy.look(ask, 'anomaly', 'open', null, jsonb_build_object('anomaly', a.id), array[a.id], a.tenant_id);
end $$;

grant execute on function review.open to ward_reviewer;
