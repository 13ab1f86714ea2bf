-- Which accounts were said to be one person's in the period: where both are within reach.
create or replace function review.evidence_312a2i_account_links(s review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select to_json(x)
  from (
    select u.slug as "user", o.slug as same_as, l.reason, b.slug as linked_by, l.linked_at, c.slug as ended_by,
      e.at as ended_at, e.reason as end_reason,
      review.event_of(
        s, tenancy.installation(), 'configure', l.linked_at,
        jsonb_build_object('accounts', jsonb_build_array(l.user_id, l.same_as), 'one_person', true)
      ) as event_id,
      coalesce(
        review.event_of(
          s, tenancy.installation(), 'configure', e.at,
          jsonb_build_object('accounts', jsonb_build_array(l.user_id, l.same_as), 'one_person', false)
        ),
        review.event_of(
          s, tenancy.installation(), 'configure', e.at,
          jsonb_build_object('accounts', jsonb_build_array(l.same_as, l.user_id), 'one_person', false)
        )
      ) as ended_as
    from tenancy.account_link l
      join tenancy.users u on u.id = l.user_id
      join tenancy.users o on o.id = l.same_as
      join tenancy.users b on b.id = l.linked_by
      cross join lateral (
        select case when l.ended_at <= (s).as_of then l.ended_at end as at,
          case when l.ended_at <= (s).as_of then l.end_reason end as reason
      ) e
      left join tenancy.users c on c.id = l.ended_by and e.at is not null
    where l.linked_at <= (s).as_of
      and l.linked_at < (s).to_at
      and (e.at is null or e.at >= (s).from_at)
      and (
        tenancy.installation() = any ((s).tenants)
        or not exists (
          select from unnest(array[l.user_id, l.same_as]) a
          where not exists (
            select from tenancy.membership m
            where m.user_id = a and m.tenant_id = any ((s).tenants) and m.started_at <= (s).as_of
          )
        )
      )
    order by l.linked_at, l.id
  ) x
$$;
