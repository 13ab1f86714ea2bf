-- What the manifest of a bundle says about it. queries: SHA-256 over the functions that make the lists, by name.
create or replace function review.evidence_scope()
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
  set timezone = 'UTC'
as $$
declare opened record;
begin
  select * into opened from review.the_bundle();
  return jsonb_build_object(
    'bundle', (opened.bundle).id, 'region', tenancy.region_here(), 'from', (opened.scope).from_at,
    'to', (opened.scope).to_at, 'as_of', (opened.scope).as_of, 'made_at', (opened.bundle).made_at,
    'event_id', (opened.bundle).event_id,
    'made_by', (
      select jsonb_build_object('user_id', u.id, 'slug', u.slug, 'name', u.name)
      from tenancy.users u
      where u.id = (opened.bundle).made_by
    ),
    'queries', (
      select encode(
        sha256(convert_to(string_agg(p.proname || ' ' || p.prosrc, E'\n' order by p.proname), 'utf8')), 'hex'
      )
      from pg_proc p join pg_namespace n on n.oid = p.pronamespace
      where n.nspname = 'review' and p.proname like 'evidence\_%'
    ),
    'restricted', not review.may_everywhere((opened.scope).who, (opened.scope).tenants, 'close'),
    'archive_only', (
      select coalesce(jsonb_agg(to_char(p.month, 'YYYY-MM') order by p.month), '[]')
      from audit.pruned p
      where (p.month + interval '1 month') at time zone 'UTC' > (opened.scope).from_at
        and p.month::timestamp at time zone 'UTC' < (opened.scope).to_at
    ),
    'tenants', (
      select jsonb_agg(jsonb_build_object(
        'id', t.id, 'slug', t.slug, 'name', t.name, 'kind', t.kind, 'head_seq', coalesce(head.seq, 0),
        'head_hash', encode(head.hash, 'hex'), 'head_sealed_at', head.sealed_at
      ) order by t.slug collate "C")
      from tenancy.tenant t
        left join lateral (
          select newest.seq, newest.hash, newest.sealed_at
          from (
            (
              select c.seq, c.hash, c.sealed_at
              from audit.chain c
              where c.tenant_id = t.id and c.sealed_at <= (opened.scope).as_of
              order by c.seq desc limit 1
            ) union all (
              select r.seq, r.hash, r.sealed_at
              from audit.resume r
              where r.tenant_id = t.id and r.sealed_at <= (opened.scope).as_of
              order by r.seq desc limit 1
            )
          ) newest
          order by newest.seq desc limit 1
        ) head on true
      where t.id = any ((opened.scope).tenants)
    )
  );
end $$;

grant execute on function review.evidence_scope to ward_reviewer;
