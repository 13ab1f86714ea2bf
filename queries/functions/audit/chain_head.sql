-- The last row of a tenant's chain: in the database, or where the chain goes on after rows were lost.
create or replace function audit.chain_head(tenant uuid, out seq bigint, out hash bytea, out sealed_at timestamptz)
  returns setof record
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select newest.seq, newest.hash, newest.sealed_at
  from (
    (
      select c.seq, c.hash, c.sealed_at from audit.chain c where c.tenant_id = tenant order by c.seq desc limit 1
    ) union all (
      select r.seq, r.hash, r.sealed_at from audit.resume r where r.tenant_id = tenant order by r.seq desc limit 1
    )
  ) newest
  order by newest.seq desc limit 1
$$;

grant execute on function audit.chain_head to ward_worker;
