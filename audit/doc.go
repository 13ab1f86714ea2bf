// Package audit is the audit log in the database: a reviewer's look at a tenant's events, the sealer that gives events
// their place in the chain, the shipper that takes them to the archive, and what holds the two together.
//
// # The way of an event
//
//	audit.event   ---- Sealer.Seal, every second ----->  audit.chain
//	  committed,         batch, seq, nonce, hash            one row an event
//	  UNSEALED                                                  |
//	                                                            |
//	                     Shipper.PublishHeads, every minute     |
//	  store: heads/  <------------------------------------------+
//	    signed: tenant, seq, hash                               |
//	                     Shipper.Ship, every five minutes       |
//	  store: part, manifest, checkpoint  <----------------------+
//	                                                            |
//	                     Reconciler.Prune, when asked           |
//	  the month leaves the database  <--------------------------+
//
// The intervals are the worker's and can be set.
//
// # Seal
//
// Functions and triggers in the database write events; nothing changes or deletes them. Writing takes no lock on a
// chain. A committed event without a place in the chain is UNSEALED and never counts as valid.
//
// One process seals ([Lead]). It holds an advisory lock, and an epoch in audit.seal_state fences it off where it lost
// that lock without noticing ([ErrFenced]). [Sealer.Seal] seals one batch in one transaction. A batch is what
// committed between two snapshots of the database: that of the batch before and the present one. So each committed
// event is in exactly one batch, and a transaction that stays open for an hour delays nobody and loses nothing: its
// events are in the batch after its commit. Rules read by batch for the same reason.
//
// Each event gets the next number of its tenant's chain (seq, without gaps), a random nonce, the time of sealing, and
//
//	hash = SHA-256(domain || hash of the tenant's row before || canonical row)
//
// as package archive spells it out. The time of sealing never goes back, because it decides the month to which a row
// is shipped.
//
// The first batch after a dump was restored on another server has no snapshot to begin from. It takes every event that
// has no place in the chain and leaves a seal_recover event.
//
// # Heads
//
// [Shipper.PublishHeads] signs the last seq and hash of each tenant's chain and writes them to the store, beyond the
// database's reach. From then on a history that somebody rewrites in the database contradicts a signed note, also
// before its rows are shipped.
//
// # Ship
//
// [Shipper.Ship] takes the sealed rows that the log in the store does not have, the oldest month first, and appends
// them as parts: a Parquet file, its manifest, and a checkpoint over the log of manifests. The month is that of
// sealing. Before it looks for rows it closes the months before the present one, so that nothing more is sealed into
// them; a closed month without rows is recorded as empty. Each part is read back and verified, and only then a ship
// event is written.
//
// The log in the store, not the database, says how far shipping came. So a run that was interrupted is resumed where
// it stopped. Where the log or a published head names rows that the database lacks, as after a failover to a server
// that was behind, the error is a [*LostError] and nothing is shipped until an administrator has ordered a recovery,
// which a manifest of its own records.
//
// [Shipper.Extend] makes the locks of stored parts longer where a tenant's retention or a legal hold demands it, never
// shorter.
//
// # Prune
//
// [Reconciler.Prune] drops a month of events from the database after an administrator over all clinics asked for it.
// It demands, in this order:
//
//   - it is the oldest month of the database, and ended at least so many months ago as the installation keeps events
//     (tenancy.setting.prune_after);
//   - every event of it is sealed, classified and read by every rule that runs;
//   - the parts that hold the rows are what was signed, are locked, and are to be kept;
//   - each event is, to the byte, the archived row;
//   - nothing of the month changed since it was compared, checked by a digest under a lock.
//
// The month is dropped in the transaction that writes the prune event.
//
// # Looking at events
//
// [Open] records who looks at which tenant's events and why, commits that, and returns a [Lease] of 15 minutes.
// [Lease.Older] and [Lease.Newer] read pages under it and add no events; [Lease.Search] narrows the filter and adds
// one. Where pruned months begin, a lease reads on in the archive, if it was given one.
//
// [Verify] verifies the archive as package archive does, with an event before the store is read and another one with
// the verdict. [Prove] makes the proof of one row after the event of the request.
package audit
