-- 164.312(a)(2)(i): service accounts, their owners and what was declared for them.
create or replace function review.evidence_312a2i_services(scope review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select to_json(line)
  from (
    select u.slug as service, u.id as user_id, owned_by.slug as owner, owned_by.name as owner_name, account.disabled_at,
      declared.action, declared.record_table,
      coalesce(t.slug, case when declared.action is not null then '*' end) as tenant,
      declared.from_hour, declared.to_hour, declared.at as declared_at,
      (
        select min(e.event_id)
        from audit.event e join audit.chain c on c.event_id = e.event_id
        where e.xid = declared.xid
          and e.action = 'configure'
          and e.tenant_id = any ((scope).tenants)
          and c.sealed_at <= (scope).as_of
      ) as event_id
    from tenancy.users u
      left join lateral (
        select ul.owner_id, ul.disabled_at
        from tenancy.user_log ul
        where ul.user_id = u.id and ul.at <= (scope).as_of
        order by ul.id desc limit 1
      ) account on true
      left join tenancy.users owned_by on owned_by.id = account.owner_id
      left join (
        select distinct on (spl.user_id, spl.tenant_id, spl.action, spl.record_table, spl.from_hour) spl.*
        from tenancy.service_permission_log spl
        where spl.at <= (scope).as_of
        order by spl.user_id, spl.tenant_id, spl.action, spl.record_table, spl.from_hour, spl.id desc
      ) declared on declared.user_id = u.id
        and not declared.removed
        and (declared.tenant_id is null or declared.tenant_id = any ((scope).tenants))
      left join tenancy.tenant t on t.id = declared.tenant_id
    where u.kind = 'service'
      and u.id is distinct from (select tenancy.worker())
      and u.created_at <= (scope).as_of
      and (
        tenancy.installation() = any ((scope).tenants)
        or exists (
          select from tenancy.membership m
          where m.user_id = u.id and m.tenant_id = any ((scope).tenants) and m.started_at <= (scope).as_of
        )
      )
    order by u.slug collate "C", declared.record_table collate "C", declared.action, t.slug collate "C" nulls first,
      declared.from_hour
  ) line
$$;
