-- A reason without the blanks around it; raises where it says nothing.
create or replace function core.require_reason(reason text)
  returns text
  language plpgsql immutable
  set search_path = pg_catalog, pg_temp
as $$
begin
  reason := btrim(reason, E' \t\r\n');
  if length(coalesce(reason, '')) < 4 then
    raise exception 'a reason of at least four characters is needed: it has to hold years later'
      using errcode = '22023';
  end if;
  return reason;
end $$;
