// Package archive reads, writes and verifies ward's archived audit log, offline: from a store of files and a public key
// alone. docs/ARCHIVE_FORMAT.md is the specification; this is its short form.
//
// # Objects
//
//	v1/region=R/month=YYYY-MM/part-NNNNNN.parquet         the rows of one part
//	v1/region=R/month=YYYY-MM/part-NNNNNN.manifest.json   what the part holds
//	v1/region=R/checkpoints/NNNNNNNNNNNN                  the signed head of the log of manifests, by its size
//	v1/region=R/heads/NNNNNNNNNNNNNNNNNNNN                signed chain heads, by their time in microseconds
//	v1/region=R/keys/NNNNNNNNNNNN                         who signs from this size of the log on, signed by both keys
//
// All are written once. The month is that of sealing, in UTC. Part numbers count from 1 over all months of a region,
// and a part's number is its manifest's place in the log.
//
// # Rows
//
// A part's rows ([Row]) are sorted by tenant and seq, in row groups of 131,072. Each stores its hash,
//
//	SHA-256("ward-audit-row/v1" 0x00 || previous hash || tenant || seq || fields)
//
// as [AppendCanonical] spells it out, where the previous hash is that of the tenant's row before, in whatever part, and
// for row 1 is SHA-256("ward-audit-genesis/v1" 0x00 || tenant). So every tenant's rows are one chain, which can be
// checked from any row on.
//
// # Log
//
// A [Manifest] names the file's SHA-256, each tenant's piece of the chain, and the Merkle root over the rows' hashes.
// Its bytes are the leaf of a Merkle tree (RFC 6962, as in golang.org/x/mod/sumdb/tlog). A checkpoint is a C2SP signed
// note over three lines, here of a log of one manifest:
//
//	ward/acme/eu
//	1
//	mTEfPDpUb3lHvKmkVoPQfqGIZu4kTGmfZkb9KEe0BtE=
//
//	— ward/acme/eu Az3grlgQ...
//
// Chain heads are a signed note too: the line ward-heads/v1, the log's name, the time, and a line "tenant seq hash" for
// each tenant whose chain has moved. They say what was sealed before it is shipped.
//
// # Verification
//
// [Verification.Run] trusts the given keys and nothing else. What no checkpoint covers is not part of the archive. A
// file is parsed only once its SHA-256 is the signed one. The [Verdict] is valid, INVALID or not proven, and what could
// not be checked is never called valid. That a log was not cut at its end shows only against a head that was known
// before.
//
// # Files
//
// One directory, in seven rooms without walls; docs/design/archive-house.md says why. Each room is read from the file
// that is named first.
//
//	rows and hashes     row, canonical, merkle, keys
//	names and manifests paths, manifest, checkpoint, heads, headindex, ring, region
//	a part's file       partwriter, groupwriter, dictionary, partreader, column, pagecheck
//	stores              store, dir, lock, examine, spool
//	writing             log, append, groupcheck, extend, recovery
//	verifying           verify, verify_log, verify_parts, partcheck, parttask, diagnosis, report, explain, markdown,
//	                    headmemory, live
//	reading and proving reader, select, readpart, summarize, prove, proof
//
// Packages beside it: s3 is the store with Object Lock; diagnose parses a file that may do harm, in a process of its
// own.
package archive
