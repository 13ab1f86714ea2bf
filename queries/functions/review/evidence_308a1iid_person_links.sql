-- Which people were said to be which patients in the period: it decides who has no say in an anomaly, and what rules
-- about one's own record find.
create or replace function review.evidence_308a1iiD_person_links(s review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select to_json(x)
  from (
    select t.slug as tenant, u.slug as "user", u.id as user_id, l.patient_id, d.by_user as declared_by,
      l.at as declared_at, e.by_user as withdrawn_by, e.at as withdrawn_at, d.event_id, e.event_id as withdrawn_as
    from review.person_link_log l
      join tenancy.tenant t on t.id = l.tenant_id
      join tenancy.users u on u.id = l.user_id
      left join lateral (select y.* from review.supplied_by(s, l) y) d on true
      left join lateral (
        select r.at, y.*
        from (
          select r.*
          from review.person_link_log r
          where (r.tenant_id, r.user_id, r.patient_id) = (l.tenant_id, l.user_id, l.patient_id)
            and r.id > l.id
            and r.removed
            and r.at <= (s).as_of
          order by r.id limit 1
        ) r
          left join lateral review.supplied_by(s, r) y on true
      ) e on true
    where not l.removed
      and l.tenant_id = any ((s).tenants)
      and l.at <= (s).as_of
      and l.at < (s).to_at
      and (e.at is null or e.at >= (s).from_at)
    order by l.at, l.id
  ) x
$$;
