-- The last row of every tenant's chain, wherever it stands.
create or replace function audit.chain_head(tenant uuid, out seq bigint, out hash bytea, out sealed_at timestamptz)
  returns setof record
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select h.seq, h.hash, h.sealed_at
  from (
    (
      select c.seq, c.hash, c.sealed_at from audit.chain c where c.tenant_id = tenant order by c.seq desc limit 1
    ) union all (
      select r.seq, r.hash, r.sealed_at from audit.resume r where r.tenant_id = tenant order by r.seq desc limit 1
    )
  ) h
  order by h.seq desc limit 1
$$;

grant execute on function audit.chain_head to ward_worker;
