-- 164.312(a)(2)(i): which accounts were declared to be one person's in the period, if both are within reach.
create or replace function review.evidence_312a2i_account_links(scope review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select to_json(line)
  from (
    select u.slug as "user", other.slug as same_as, al.reason, linker.slug as linked_by, al.linked_at,
      ender.slug as ended_by, ended.at as ended_at, ended.reason as end_reason,
      review.event_of(
        scope => scope, tenant => tenancy.installation(), action => 'configure', at => al.linked_at,
        detail => jsonb_build_object('accounts', jsonb_build_array(al.user_id, al.same_as), 'one_person', true)
      ) as event_id,
      coalesce(
        review.event_of(
          scope => scope, tenant => tenancy.installation(), action => 'configure', at => ended.at,
          detail => jsonb_build_object('accounts', jsonb_build_array(al.user_id, al.same_as), 'one_person', false)
        ),
        review.event_of(
          scope => scope, tenant => tenancy.installation(), action => 'configure', at => ended.at,
          detail => jsonb_build_object('accounts', jsonb_build_array(al.same_as, al.user_id), 'one_person', false)
        )
      ) as ended_as
    from tenancy.account_link al
      join tenancy.users u on u.id = al.user_id
      join tenancy.users other on other.id = al.same_as
      join tenancy.users linker on linker.id = al.linked_by
      cross join lateral (
        select case when al.ended_at <= (scope).as_of then al.ended_at end as at,
          case when al.ended_at <= (scope).as_of then al.end_reason end as reason
      ) ended
      left join tenancy.users ender on ender.id = al.ended_by and ended.at is not null
    where al.linked_at <= (scope).as_of
      and al.linked_at < (scope).to_at
      and (ended.at is null or ended.at >= (scope).from_at)
      and (
        tenancy.installation() = any ((scope).tenants)
        or not exists (
          select from unnest(array[al.user_id, al.same_as]) account
          where not exists (
            select from tenancy.membership m
            where m.user_id = account and m.tenant_id = any ((scope).tenants) and m.started_at <= (scope).as_of
          )
        )
      )
    order by al.linked_at, al.id
  ) line
$$;
