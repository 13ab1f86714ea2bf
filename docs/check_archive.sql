-- Checks every row of an archive in DuckDB, without ward: each row's hash from its content and the hash of the row
-- before it (docs/ARCHIVE_FORMAT.md, section 2), and each tenant's seq without gaps. Put the archive's directory in the
-- place of STORE. One row comes out; modified and missing must be 0.
--
-- It does not check signatures: compare the last hashes with those of a manifest that ward archive verify, or any tool
-- for signed notes and Merkle logs, found to be signed. A part that a manifest declares void is left out. Athena, Trino
-- and Spark read the same files as one table partitioned by region and month; the functions of the macros are called
-- otherwise there.
create macro bytes(b) as unhex(format('{:08x}', octet_length(b))) || b;
create macro i64(n) as unhex(format(
  '{:016x}', case when n < 0 then (n::hugeint + 18446744073709551616)::ubigint else n::ubigint end
));
create macro whole(n) as coalesce('\x01\x00\x00\x00\x08'::blob || i64(n), '\x00'::blob);
create macro words(t) as coalesce('\x01'::blob || bytes(encode(t)), '\x00'::blob);
create macro canonical(
  prev, tenant_id, seq, sealed_at, event_id, recorded_at, occurred_at, user_id, actor_kind, session_id, membership_id,
  disclosure_id, action, outcome, record_table, record_id, subject_id, purpose, detail, source, nonce
) as 'ward-audit-row/v1\x00'::blob || prev || bytes(encode(tenant_id)) || i64(seq) || whole(epoch_us(sealed_at))
  || whole(event_id) || whole(epoch_us(recorded_at)) || whole(epoch_us(occurred_at)) || words(user_id)
  || words(actor_kind) || words(session_id) || words(membership_id) || words(disclosure_id) || words(action)
  || words(outcome) || words(record_table) || words(record_id) || words(subject_id) || words(purpose) || words(detail)
  || words(source) || '\x01'::blob || bytes(nonce);
set variable parts = (
  select list(file)
  from glob('STORE/v1/region=*/month=*/part-*.parquet')
  where file not in (
    select 'STORE/' || void_path
    from read_json('STORE/v1/region=*/month=*/part-*.manifest.json', columns = {void: 'boolean', void_path: 'varchar'})
    where void
  )
);
with row as (
  select *, lag(hash) over chain as prev, lag(seq) over chain as before
  from read_parquet(getvariable('parts'), hive_partitioning = true)
  window chain as (partition by region, tenant_id order by seq)
)
select count(*) as rows, count(distinct tenant_id) as tenants,
  count(*) filter (
    where hash is distinct from unhex(sha256(canonical(
      coalesce(prev, unhex(sha256('ward-audit-genesis/v1\x00'::blob || encode(tenant_id)))),
      tenant_id, seq, sealed_at, event_id, recorded_at, occurred_at, user_id, actor_kind, session_id, membership_id,
      disclosure_id, action, outcome, record_table, record_id, subject_id, purpose, detail, source, nonce
    )))
  ) as modified,
  count(*) filter (where seq <> coalesce(before, 0) + 1) as missing
from row;
