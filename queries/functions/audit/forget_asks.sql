-- Asks that have run out; the worker removes them now and then.
create or replace function audit.forget_asks() returns int language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare n int;
begin
  delete from audit.ask where expires_at < clock_timestamp() - interval '1 minute';
  get diagnostics n = row_count;
  return n;
end $$;

grant execute on function audit.forget_asks to ward_worker;
