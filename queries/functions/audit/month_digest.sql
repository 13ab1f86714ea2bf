-- A digest of a month's events and of their rows in the chain, and how many events have none. Two calls agree only if
-- no row has changed in between.
create or replace function audit.month_digest(
  month date, out rows bigint, out unsealed bigint, out newest_batch bigint, out digest bytea
)
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
  set timezone = 'UTC'
  set datestyle = 'ISO'
as $$
  with member as (
    select c.batch, c.event_id is null as unsealed,
      sha256(coalesce(c.hash, '') || convert_to(e::text, 'UTF8')) as hash,
      row_number() over (order by c.tenant_id, c.seq, e.event_id) as place
    from audit.event e
      left join audit.chain c on c.event_id = e.event_id and c.recorded_at = e.recorded_at and c.tenant_id = e.tenant_id
    where e.recorded_at >= month::timestamp at time zone 'UTC'
      and e.recorded_at < (month + interval '1 month') at time zone 'UTC'
  ),
  piece as (  -- so that no value grows with the month
    select member.place / 10000 as number, count(*) as rows, count(*) filter (where member.unsealed) as unsealed,
      max(member.batch) as newest_batch, sha256(string_agg(member.hash, '' order by member.place)) as hash
    from member
    group by 1
  )
  select coalesce(sum(piece.rows), 0)::bigint, coalesce(sum(piece.unsealed), 0)::bigint,
    coalesce(max(piece.newest_batch), 0),
    sha256(coalesce(string_agg(piece.hash, '' order by piece.number), ''))
  from piece
$$;

grant execute on function audit.month_digest to ward_worker;
