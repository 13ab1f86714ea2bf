-- 164.308(a)(1)(ii)(D): which people were declared to be which patients in the period. Such a link decides who has a
-- conflict of interest, and what rules about one's own record find.
create or replace function review.evidence_308a1iiD_person_links(scope review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select to_json(line)
  from (
    select t.slug as tenant, u.slug as "user", u.id as user_id, pll.patient_id, declared.by_user as declared_by,
      pll.at as declared_at, withdrawn.by_user as withdrawn_by, withdrawn.at as withdrawn_at, declared.event_id,
      withdrawn.event_id as withdrawn_as
    from review.person_link_log pll
      join tenancy.tenant t on t.id = pll.tenant_id
      join tenancy.users u on u.id = pll.user_id
      left join lateral (select supplied.* from review.supplied_by(scope, pll) supplied) declared on true
      left join lateral (
        select removal.at, supplied.*
        from (
          select later.*
          from review.person_link_log later
          where (later.tenant_id, later.user_id, later.patient_id) = (pll.tenant_id, pll.user_id, pll.patient_id)
            and later.id > pll.id
            and later.removed
            and later.at <= (scope).as_of
          order by later.id limit 1
        ) removal
          left join lateral review.supplied_by(scope, removal) supplied on true
      ) withdrawn on true
    where not pll.removed
      and pll.tenant_id = any ((scope).tenants)
      and pll.at <= (scope).as_of
      and pll.at < (scope).to_at
      and (withdrawn.at is null or withdrawn.at >= (scope).from_at)
    order by pll.at, pll.id
  ) line
$$;
