-- Records a look at the newest alerts within the reviewer's reach; review.alerts reads them.
create or replace function review.browse_alerts(ask uuid, max_rows int default 100)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  who uuid := tenancy.reviewer('browse');
  found_ids uuid[];
  shown jsonb;
begin
  if max_rows not between 1 and 500 then
    raise exception 'a page of alerts has 1 to 500, not %', max_rows using errcode = '22023';
  end if;
  select array_agg(listed.id order by listed.created_at desc, listed.id), jsonb_object_agg(listed.tenant_id, listed.ids)
  into found_ids, shown
  from (
    select newest.id, newest.created_at, newest.tenant_id,
      jsonb_agg(newest.id) over (partition by newest.tenant_id) as ids
    from (
      select *
      from review.alert al
      where case
        when al.tenant_id = tenancy.installation() then tenancy.reaches_all(who, 'browse')
        else tenancy.reaches(who, al.tenant_id, 'browse')
      end
      order by al.created_at desc, al.id limit max_rows
    ) newest
  ) listed;
  perform tenancy.look(
    ask => ask, what => 'alerts', action => 'browse', shown => shown - tenancy.installation()::text,
    filter => jsonb_build_object('limit', max_rows), ids => coalesce(found_ids, '{}')
  );
end $$;

grant execute on function review.browse_alerts to ward_reviewer;
