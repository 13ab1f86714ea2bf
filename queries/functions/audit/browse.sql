-- A look at the archive (of month arg, or of all), whose holds audit.list_holds reads, or at the verifications.
create or replace function audit.browse(ask uuid, what text, arg text default null)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform tenancy.reviewer('browse');
  if what not in ('archive', 'verifications') then raise exception 'no list "%"', what using errcode = '22023'; end if;
  perform tenancy.look(ask, 'list:' || what, 'browse', null, jsonb_strip_nulls(jsonb_build_object('of', arg)), null);
end $$;

grant execute on function audit.browse to ward_reviewer;
