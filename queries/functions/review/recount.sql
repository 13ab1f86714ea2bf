-- Works out anew by when somebody must be notified, for the anomalies of a clinic or of all (null), after a term
-- changed.
create or replace function review.recount(tenant uuid)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  update review.anomaly a
  set due_on = review.next_deadline(a)
  where (tenant is null or a.tenant_id = tenant) and (a.state not in ('closed', 'merged') or a.disposition = 'breach');
end $$;
