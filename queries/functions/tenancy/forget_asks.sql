-- Removes asks that have run out, now and then, for the worker.
create or replace function tenancy.forget_asks()
  returns int
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare removed int;
begin
  delete from tenancy.disclosure where expires_at < clock_timestamp() - interval '1 minute';
  get diagnostics removed = row_count;
  return removed;
end $$;

grant execute on function tenancy.forget_asks to ward_worker;
