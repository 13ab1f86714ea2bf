-- On call. An administrator says who may; the person takes it when the pager rings, for one clinic and four hours at
-- most, and rule S03 shows it to a compliance officer.
create or replace function tenancy.one_on_call(u uuid)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare g record;
begin
  -- two at once take turns; not the person's row, which whoever ends them needs
  perform pg_advisory_xact_lock(hashtextextended('ward on call|' || u, 0));
  select t.slug, x.expires_at into g from tenancy.reviewer_grant x join tenancy.tenant t on t.id = x.tenant_id
  where x.user_id = u and x.role = 'on_call_engineer' and x.ended_at is null and x.expires_at > clock_timestamp();
  if found then
    raise exception 'one on-call grant at a time: there is one for % until % UTC',
      g.slug, to_char(g.expires_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI')
      using errcode = '55000', hint = 'ward oncall end';
  end if;
end $$;
