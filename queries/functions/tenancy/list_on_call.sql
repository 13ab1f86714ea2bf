-- The roster within reach, each entry with the grant that was taken under it and is in force.
create or replace function tenancy.list_on_call()
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare who uuid := tenancy.user_id();
begin
  perform tenancy.the_ask('list:oncall');
  return query select jsonb_build_object(
    'id', o.id, 'user', u.slug, 'name', u.name, 'tenant', t.slug, 'added_by', adder.slug, 'added_at', o.added_at,
    'reason', o.reason, 'took', taken.slug, 'until', g.expires_at
  )
  from tenancy.on_call o
    join tenancy.users u on u.id = o.user_id
    join tenancy.users adder on adder.id = o.added_by
    left join tenancy.tenant t on t.id = o.tenant_id
    left join tenancy.reviewer_grant g on g.user_id = o.user_id
      and g.granted_by = o.user_id
      and g.role = 'on_call_engineer'
      and g.ended_at is null
      and g.expires_at > clock_timestamp()
      and (o.tenant_id is null or g.tenant_id = o.tenant_id)
      and tenancy.sees(who, g.tenant_id)
    left join tenancy.tenant taken on taken.id = g.tenant_id
  where o.removed_at is null and (o.user_id = who or tenancy.sees(who, o.tenant_id))
  order by u.slug, t.slug nulls first;
end $$;

grant execute on function tenancy.list_on_call to ward_reviewer;
