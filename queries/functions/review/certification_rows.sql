-- The certifications until a time whose clinics are all within a person's reach, with their approvals until then.
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
    encode(bm.sha256, 'hex'), reviewer.slug, reviewer.name, c.statement, c.at, c.event_id, approver.slug, approver.name,
    ca.reason, ca.at, ca.event_id
  from review.certification c
    join review.bundle b on b.id = c.bundle_id
    join review.bundle_manifest bm on bm.bundle_id = b.id
    join tenancy.users reviewer on reviewer.id = c.reviewer_id
    left join review.certification_approval ca on ca.certification_id = c.id and ca.at <= until
    left join tenancy.users approver on approver.id = ca.approver_id
  where c.at <= until and review.may_everywhere(certification_rows.who, b.tenants, 'browse')
$$;
