package archive

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// RecoveryVersion is the format of a manifest that records a recovery. It differs from [ManifestVersion] by one more
// key, at the end; no other manifest has it.
const RecoveryVersion = "ward-manifest/v2"

// maxReason bounds the text of a recovery's reason.
const maxReason = 1000

// Recovery says that the database lost sealed rows which the archive has, or which a note of chain heads names: after a
// failover to a standby that was behind, or a restore to an earlier time. The archive is not changed by it: every chain
// goes on after ResumedSeq.
type Recovery struct {
	Reason string `json:"reason"`
	// EventID is the administrator's event.
	EventID int64 `json:"event_id"`
	// HeadsUntil is the time of the newest note of chain heads then, in microseconds; 0 where there was none. Later
	// notes are about the chains as they went on.
	HeadsUntil int64             `json:"heads_until"`
	Tenants    []RecoveredTenant `json:"tenants"`
}

// RecoveredTenant is what became of one tenant's chain.
type RecoveredTenant struct {
	TenantID string `json:"tenant_id"`
	// ArchivedSeq and ArchivedHash are the last row in the parts before this manifest; 0 and Genesis for none.
	ArchivedSeq  int64   `json:"archived_seq"`
	ArchivedHash HexHash `json:"archived_hash"`
	// DatabaseSeq is the last row that the database had.
	DatabaseSeq int64 `json:"database_seq"`
	// ResumedSeq is the row after which the chain goes on: the rows of notes up to HeadsUntil from there to LostSeq are
	// lost, and their places are taken anew.
	ResumedSeq int64 `json:"resumed_seq"`
	// LostSeq and LostHash are the last row that a note names; where no published row was lost they are ResumedSeq and
	// zeros.
	LostSeq  int64   `json:"lost_seq"`
	LostHash HexHash `json:"lost_hash"`
}

func (r *Recovery) validate() error {
	if strings.TrimSpace(r.Reason) == "" || len(r.Reason) > maxReason || r.EventID < 1 || r.HeadsUntil < 0 ||
		len(r.Tenants) == 0 {
		return fmt.Errorf("recovery of %d tenants, event %d", len(r.Tenants), r.EventID)
	}
	for i, t := range r.Tenants {
		switch {
		case t.TenantID == "" || i > 0 && r.Tenants[i-1].TenantID >= t.TenantID:
			return fmt.Errorf("recovery of tenant %q out of order", t.TenantID)
		case t.ArchivedSeq < 0 || t.DatabaseSeq < 0 || t.ResumedSeq < t.ArchivedSeq || t.LostSeq < t.ResumedSeq:
			return fmt.Errorf("recovery of tenant %s: archived to row %d, resumed after %d, lost to %d", t.TenantID,
				t.ArchivedSeq, t.ResumedSeq, t.LostSeq)
		case t.LostSeq == t.ResumedSeq && t.LostHash != HexHash{}:
			return fmt.Errorf("recovery of tenant %s: a hash of no lost row", t.TenantID)
		}
	}
	return nil
}

// explains reports whether a chain head of a note of that time is of a row that r names as lost.
func (r *Recovery) explains(h ChainHead, micros int64) bool {
	if micros > r.HeadsUntil {
		return false
	}
	for _, t := range r.Tenants {
		if t.TenantID == h.TenantID {
			return h.Seq > t.ResumedSeq && (h.Seq < t.LostSeq || h.Seq == t.LostSeq && HexHash(h.Hash) == t.LostHash)
		}
	}
	return false
}

func explained(recoveries []*Recovery, h ChainHead, micros int64) bool {
	for _, r := range recoveries {
		if r.explains(h, micros) {
			return true
		}
	}
	return false
}

// AppendRecovery records a recovery. Where an interrupted run has left the same one, that is finished, with its reason
// and event.
func (l *Log) AppendRecovery(ctx context.Context, month string, retain time.Time, r Recovery) (Manifest, error) {
	return l.guardAppend(month, func() (Manifest, error) {
		if l.leftover.parquet != nil {
			if err := l.void(ctx, month, retain); err != nil {
				return Manifest{}, err
			}
		}
		m := l.bare(month, retain)
		m.Version, m.Recovery = RecoveryVersion, &r
		if o := l.leftover.manifest; o != nil {
			if data, err := readObject(ctx, l.store, o.path); err != nil {
				return Manifest{}, err
			} else if old, err := ParseManifest(data); err == nil && old.Recovery != nil {
				r.Reason, r.EventID = old.Recovery.Reason, old.Recovery.EventID
			}
		}
		if err := l.adoptManifest(ctx, &m); err != nil {
			return Manifest{}, err
		}
		err := l.finish(ctx, &m, retain)
		return m, err
	})
}

// Published returns the newest note of chain heads that a key of the log signed, without the heads that a recovery
// explains, and its time in microseconds. It returns none where there is no note.
func (l *Log) Published(ctx context.Context) ([]ChainHead, int64, error) {
	for i := len(l.heads) - 1; i >= 0; i-- {
		o := l.heads[i]
		data, err := readObject(ctx, l.store, o.path)
		if err != nil {
			return nil, 0, fmt.Errorf("reading published heads: %w", err)
		}
		p, err := parseHeads(data, l.keys.all())
		if err != nil || p.origin != l.origin || p.micros != o.number {
			continue // not ours: what it is, a verification says
		}
		var heads []ChainHead
		for _, h := range p.heads {
			if !explained(l.recoveries, h, p.micros) {
				heads = append(heads, h)
			}
		}
		return heads, p.micros, nil
	}
	return nil, 0, nil
}

// ErrOther says that the rows after a place are not those of the chain that the caller has.
var ErrOther = errors.New("the archive has another chain")

// RowsAfter calls f with the archived rows of the tenants in after that come after the position given, in each tenant's
// order, and checks that they continue it up to Tail: otherwise the error is ErrOther, or ErrDamaged. The row and what
// it points to are valid only until f returns.
func (l *Log) RowsAfter(ctx context.Context, after map[string]Position, f func(*Row) error) error {
	regions, _, err := listRegions(ctx, l.store, regionPrefix(l.region))
	if err != nil || len(regions) == 0 {
		return err
	}
	entries, err := loadEntries(ctx, l.store, regions[0], l.tree.size)
	if err != nil {
		return err
	}
	at := make(map[string]Position, len(after))
	for tenant, pos := range after {
		at[tenant] = pos
	}
	resolve(entries, map[int64]Hash{l.tree.size: l.tree.root()})
	for i := range entries {
		e := &entries[i]
		for _, c := range e.candidates {
			if c.err != nil {
				return c.err
			}
		}
		if !e.authentic || e.manifest == nil || e.err != nil {
			return fmt.Errorf("%w: manifest %d: %w", ErrDamaged, e.number, firstError(e.err, errors.New("missing")))
		}
		for _, s := range e.manifest.Tenants {
			if pos, ok := at[s.TenantID]; ok && s.LastSeq > pos.Seq {
				if err := l.replay(ctx, e.manifest, at, f); err != nil {
					return err
				}
				break
			}
		}
	}
	for tenant, pos := range at {
		if want := l.position(tenant); want != pos && want.Seq >= pos.Seq {
			return fmt.Errorf("%w: tenant %s after row %d", ErrOther, tenant, pos.Seq)
		}
	}
	return nil
}

// replay gives the rows of one part to f.
func (l *Log) replay(ctx context.Context, m *Manifest, at map[string]Position, f func(*Row) error) error {
	sp, err := spool(ctx, l.store, m.Path, m.Bytes, nil)
	if err != nil {
		return err
	}
	defer sp.Close()
	if HexHash(sp.sum) != m.SHA256 {
		return fmt.Errorf("%w: %s is not the file that was signed", ErrDamaged, m.Path)
	}
	file, err := openPart(sp, sp.size)
	if err != nil {
		return fmt.Errorf("reading %s: %w", m.Path, err)
	}
	for _, g := range file.groups() {
		err := scanGroup(ctx, g, func(r *Row) error {
			pos, ok := at[r.TenantID]
			if !ok || r.Seq <= pos.Seq {
				return nil
			}
			if r.Seq != pos.Seq+1 || RowHash(pos.Hash, r) != r.Hash {
				return fmt.Errorf("%w: tenant %s, row %d", ErrOther, r.TenantID, r.Seq)
			}
			at[strings.Clone(r.TenantID)] = Position{r.Seq, r.Hash}
			return f(r)
		})
		if err != nil {
			return fmt.Errorf("reading %s: %w", m.Path, err)
		}
	}
	return nil
}

// checkRecovery holds what a recovery says against the parts before it, and reports what it says was lost.
func (r *regionRun) checkRecovery(m *Manifest, at map[string]Position, whole bool) {
	for _, t := range m.Recovery.Tenants {
		pos, ok := at[t.TenantID]
		if !ok {
			pos = Position{0, Genesis(t.TenantID)}
		}
		f := Finding{Month: m.Month, Part: m.Name(), Tenant: t.TenantID, Seq: t.ResumedSeq + 1}
		if (whole || ok) && (t.ArchivedSeq != pos.Seq || Hash(t.ArchivedHash) != pos.Hash) {
			f.Status, f.Seq, f.Expected, f.Found = RowModified, t.ArchivedSeq,
				fmt.Sprintf("row %d, %x", pos.Seq, pos.Hash), fmt.Sprintf("row %d, %s", t.ArchivedSeq, t.ArchivedHash)
			f.Message = "a recovery names another last row than the parts before it"
			r.add(f)
			continue
		}
		if r.v.opts.Tenant != "" && r.v.opts.Tenant != t.TenantID {
			continue
		}
		if t.LostSeq == t.ResumedSeq {
			r.notes = append(r.notes, fmt.Sprintf("%s: the database lost rows of tenant %s after row %d, "+
				"which the archive has; its chain goes on after row %d (event %d: %s)",
				m.Name(), t.TenantID, t.DatabaseSeq, t.ResumedSeq, m.Recovery.EventID, m.Recovery.Reason))
			continue
		}
		f.Status, f.Expected, f.Found = Recovered, fmt.Sprintf("row %d, %s", t.LostSeq, t.LostHash),
			fmt.Sprintf("goes on after row %d", t.ResumedSeq)
		f.Message = fmt.Sprintf("rows %d to %d were sealed and published, and the database lost them before they "+
			"were shipped; a signed recovery says so (event %d: %s)",
			t.ResumedSeq+1, t.LostSeq, m.Recovery.EventID, m.Recovery.Reason)
		r.add(f)
	}
}
