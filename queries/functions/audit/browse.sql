-- Records a look at the archive (of month arg, or of all), whose holds audit.list_holds reads, or at the verifications.
create or replace function audit.browse(ask uuid, what text, arg text default null)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform tenancy.reviewer('browse');
  if what not in ('archive', 'verifications') then
    raise exception 'the audit log has no list "%"', what
      using errcode = '22023', hint = 'the lists are archive and verifications';
  end if;
  perform tenancy.look(
    ask => ask, what => 'list:' || what, action => 'browse', shown => null,
    filter => jsonb_strip_nulls(jsonb_build_object('of', arg)), ids => null
  );
end $$;

grant execute on function audit.browse to ward_reviewer;
