// Command make writes the golden archive: a small one with everything in it that an archive can have, the same to the
// byte each time. Its keys are in this file, so it proves nothing about anybody.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"iter"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/archive"
)

const (
	origin = "ward/golden/eu"
	region = "eu"
	first  = "PRIVATE+KEY+ward/golden/eu+87902929+AaWdmMhc0ufzSQvRUicgLMHeb17/LrARRGtv+rvM10dU"
	second = "PRIVATE+KEY+ward/golden/eu+976e0956+Aa27z3qYlUSzNnzKYQDsprpCV8BglOarTH/+0yuvCVAJ"
)

var (
	tenants = []string{"0a000000-0000-4000-8000-000000000001", "0b000000-0000-4000-8000-000000000002",
		"0c000000-0000-4000-8000-000000000003"}
	retain = time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: make DIRECTORY")
		os.Exit(2)
	}
	if err := build(context.Background(), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "make golden archive:", err)
		os.Exit(1)
	}
}

// build makes seven parts: two of January, one void, an empty February, and three of March, from the second of which on
// another key signs.
func build(ctx context.Context, dir string) error {
	store, err := archive.CreateDir(dir)
	if err != nil {
		return err
	}
	old, err := archive.NewSigner(first)
	if err != nil {
		return err
	}
	next, err := archive.NewSigner(second)
	if err != nil {
		return err
	}
	b := builder{ctx: ctx, store: store, chains: map[string]archive.Position{}}
	b.open(old)
	b.append("2026-01", b.rows("2026-01", 40, 20, 0))
	b.append("2026-01", b.rows("2026-01", 5, 0, 0))
	b.heads(old, time.Date(2026, 1, 20, 12, 0, 0, 0, time.UTC))
	// what an interrupted run left behind, and is of other rows than come next: its number is spent
	b.put("v1/region=eu/month=2026-01/part-000003.parquet", "PAR1 of an interrupted run")
	b.open(old)
	b.append("2026-01", b.rows("2026-01", 0, 7, 3))
	b.empty("2026-02")
	b.append("2026-03", b.rows("2026-03", 30, 0, 4))
	b.open(next, old)
	b.append("2026-03", b.rows("2026-03", 2, 2, 0))
	b.append("2026-03", b.rows("2026-03", 1, 1, 1))
	b.heads(next, time.Date(2026, 3, 20, 12, 0, 0, 0, time.UTC))
	return b.err
}

// builder goes on until something fails.
type builder struct {
	ctx    context.Context
	store  archive.Store
	log    *archive.Log
	chains map[string]archive.Position
	err    error
}

func (b *builder) open(signer *archive.Signer, previous ...*archive.Signer) {
	if b.err != nil {
		return
	}
	if b.log, b.err = archive.OpenLog(b.ctx, b.store, region, origin, signer, previous...); b.err == nil {
		b.log.Now = func() time.Time { return time.Date(2026, 4, 1, 6, 0, 0, 0, time.UTC) }
	}
}

func (b *builder) put(path, data string) {
	if b.err == nil {
		b.err = b.store.Put(b.ctx, path, strings.NewReader(data), int64(len(data)), retain)
	}
}

func (b *builder) append(month string, rows []archive.Row) {
	for b.err == nil && len(rows) > 0 {
		var m archive.Manifest
		if m, b.err = b.log.Append(b.ctx, month, all(rows), retain); b.err == nil {
			rows = rows[m.Rows:]
		}
	}
}

func (b *builder) empty(month string) {
	if b.err == nil {
		_, b.err = b.log.AppendEmpty(b.ctx, month, retain)
	}
}

func (b *builder) heads(signer *archive.Signer, at time.Time) {
	if b.err != nil {
		return
	}
	var list []archive.ChainHead
	for _, t := range tenants {
		if p, ok := b.chains[t]; ok {
			list = append(list, archive.ChainHead{TenantID: t, Seq: p.Seq, Hash: p.Hash})
		}
	}
	b.err = archive.PublishHeads(b.ctx, b.store, origin, signer, list, at, retain)
}

func all(rows []archive.Row) iter.Seq2[*archive.Row, error] {
	return func(yield func(*archive.Row, error) bool) {
		for i := range rows {
			if !yield(&rows[i], nil) {
				return
			}
		}
	}
}

// rows are the next n[i] of each tenant, with every field in every form that it can have.
func (b *builder) rows(month string, n ...int) []archive.Row {
	start, err := time.Parse("2006-01", month)
	if err != nil && b.err == nil {
		b.err = err
	}
	var list []archive.Row
	for i, tenant := range tenants {
		pos, ok := b.chains[tenant]
		if !ok {
			pos.Hash = archive.Genesis(tenant)
		}
		for range n[i] {
			r := row(tenant, pos.Seq+1, start.UnixMicro())
			r.Hash = archive.RowHash(pos.Hash, &r)
			pos = archive.Position{Seq: r.Seq, Hash: r.Hash}
			list = append(list, r)
		}
		if pos.Seq > 0 {
			b.chains[tenant] = pos
		}
	}
	return list
}

func row(tenant string, seq, month int64) archive.Row {
	id := func(kind string) *string {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %d", kind, tenant, seq))
		u := uuid.UUID(sum[:16])
		u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80 // as RFC 9562 has random ones
		s := u.String()
		return &s
	}
	nonce := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("nonce "+tenant), uint64(seq)))
	actions := []string{"view", "create", "modify", "sign_in", "open", "export"}
	r := archive.Row{TenantID: tenant, Seq: seq, SealedAt: month + seq*60_000_000, EventID: seq*10 + int64(tenant[1]),
		RecordedAt: month + seq*60_000_000 - 1_500_001,
		ActorKind:  "human", Action: actions[seq%6], Outcome: "ok", Source: "ward", UserID: id("user"),
		Nonce: archive.Nonce(nonce[:16])}
	text := func(s string) *string { return &s }
	switch seq % 4 {
	case 0:
		r.RecordTable, r.RecordID, r.SubjectID, r.Purpose, r.DisclosureID = text("public.patients"), id("record"),
			id("subject"), text("treatment"), id("disclosure")
	case 1:
		r.SessionID, r.MembershipID, r.Detail = id("session"), id("membership"), text(`{"page": 1, "of": "Zoë, 日本, 💊"}`)
	case 2:
		before1970 := -seq * 1_000_003
		r.OccurredAt, r.Source, r.Detail = &before1970, "import", text("")
	case 3:
		r.UserID, r.ActorKind, r.Outcome, r.Detail = nil, "unknown", "denied",
			text("{\"reason\": \"\\u0000 \\\"quoted\\\"\"}")
	}
	return r
}
