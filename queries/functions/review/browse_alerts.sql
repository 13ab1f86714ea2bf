-- A reviewer's look at the newest deliveries, of what is within reach.
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
  if max_rows not between 1 and 500 then raise exception 'a page is 1 to 500 alerts' using errcode = '22023'; end if;
  select array_agg(x.id order by x.created_at desc, x.id), jsonb_object_agg(x.tenant_id, x.ids) into found_ids, shown
  from (
    select n.id, n.created_at, n.tenant_id, jsonb_agg(n.id) over (partition by n.tenant_id) as ids
    from (
      select *
      from review.alert n
      where case
        when n.tenant_id = tenancy.installation() then tenancy.reaches_all(who, 'browse')
        else tenancy.reaches(who, n.tenant_id, 'browse')
      end
      order by n.created_at desc, n.id limit max_rows
    ) n
  ) x;
  perform tenancy.look(
    ask, 'alerts', 'browse', shown - tenancy.installation()::text, jsonb_build_object('limit', max_rows),
    coalesce(found_ids, '{}')
  );
end $$;

grant execute on function review.browse_alerts to ward_reviewer;
