create or replace function review.certification_rows(who uuid, until timestamptz)
  returns table (
    id uuid,
    bundle_id uuid,
    period_from timestamptz,
    period_to timestamptz,
    as_of timestamptz,
    tenants text,
    manifest text,
    reviewer text,
    reviewer_name text,
    statement text,
    certified_at timestamptz,
    certified_as bigint,
    approver text,
    approver_name text,
    approve_reason text,
    approved_at timestamptz,
    approved_as bigint
  )
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
  select c.id, b.id, b.from_at, b.to_at, b.as_of,
    (select string_agg(t.slug, ' ' order by t.slug collate "C") from tenancy.tenant t where t.id = any (b.tenants)),
    encode(m.sha256, 'hex'), r.slug, r.name, c.statement, c.at, c.event_id, p.slug, p.name, a.reason, a.at, a.event_id
  from review.certification c
    join review.bundle b on b.id = c.bundle_id
    join review.bundle_manifest m on m.bundle_id = b.id
    join tenancy.users r on r.id = c.reviewer_id
    left join review.certification_approval a on a.certification_id = c.id and a.at <= until
    left join tenancy.users p on p.id = a.approver_id
  where c.at <= until and review.may_everywhere(certification_rows.who, b.tenants, 'browse')
$$;
