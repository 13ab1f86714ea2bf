-- Raises where a person holds an on-call grant already. Of grants on call: an administrator says who may take one; the
-- person takes it when the pager rings, for one clinic and four hours at most, and rule S03 shows it to a compliance
-- officer.
create or replace function tenancy.one_on_call(person uuid)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare held record;
begin
  -- two at once take turns; not the person's row, which whoever ends them needs
  perform pg_advisory_xact_lock(hashtextextended('ward on call|' || person, 0));
  select t.slug, g.expires_at into held from tenancy.reviewer_grant g join tenancy.tenant t on t.id = g.tenant_id
  where g.user_id = person and g.role = 'on_call_engineer' and g.ended_at is null and g.expires_at > clock_timestamp();
  if found then
    raise exception 'this person holds an on-call grant for % until % UTC, and can hold only one',
      held.slug, to_char(held.expires_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI')
      using errcode = '55000', hint = 'ward oncall end ends it';
  end if;
end $$;
