package bench

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/archive"
)

// grown is an archive that was made for measuring.
type grown struct {
	dir   string
	key   archive.Key
	first string // path of its first part
	rows  int64
	bytes int64 // of its files
}

const (
	benchRegion  = "eu"
	benchOrigin  = "ward/bench/eu"
	benchTenants = 20
	smallParts   = 4
)

// growArchives makes an archive of many parts and, of its first four, a second one, as the log stood then.
func growArchives(ctx context.Context, o Options, dir string) (small, large *grown, err error) {
	text, _, err := archive.GenerateKey(benchOrigin)
	if err != nil {
		return nil, nil, err
	}
	signer, err := archive.NewSigner(text)
	if err != nil {
		return nil, nil, err
	}
	g := grower{rnd: rand.New(rand.NewPCG(7, 11)), perTenant: o.size(1<<20, 100_000) / benchTenants}
	g.start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	for range benchTenants {
		t := tenantChain{id: g.uuid(), people: g.uuids(60), patients: g.uuids(o.size(4000, 400)),
			records: g.uuids(o.size(9000, 900))}
		t.hash = archive.Genesis(t.id)
		g.tenants = append(g.tenants, &t)
	}
	slices.SortFunc(g.tenants, func(a, b *tenantChain) int { return cmp.Compare(a.id, b.id) })
	large = &grown{dir: filepath.Join(dir, "large"), key: signer.Key()}
	store, err := archive.CreateDir(large.dir)
	if err != nil {
		return nil, nil, err
	}
	log, err := archive.OpenLog(ctx, store, benchRegion, benchOrigin, signer)
	if err != nil {
		return nil, nil, err
	}
	retain := time.Now().AddDate(7, 0, 0)
	for i := range o.size(40, 16) {
		m, err := log.Append(ctx, "2026-01", g.part(), retain)
		if err != nil {
			return nil, nil, err
		}
		if large.rows, large.bytes = large.rows+m.Rows, large.bytes+m.Bytes; i == 0 {
			large.first = m.Path
		}
		if i == smallParts-1 {
			s := *large
			small = &s
			small.dir = filepath.Join(dir, "small")
			if err := linkTree(large.dir, small.dir); err != nil {
				return nil, nil, fmt.Errorf("linking the small archive: %w", err)
			}
		}
		o.say("%d rows archived", large.rows)
	}
	return small, large, nil
}

// linkTree makes a second name for every file below a directory.
func linkTree(from, to string) error {
	return filepath.WalkDir(from, func(p string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, p)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		return os.Link(p, filepath.Join(to, rel))
	})
}

// grower makes rows as an installation has them: people at work on their clinic's patients, in sessions of some dozen
// steps.
type grower struct {
	rnd       *rand.Rand
	tenants   []*tenantChain
	perTenant int
	start     int64
	event     int64
}

type tenantChain struct {
	id                        string
	people, patients, records []string
	seq                       int64
	hash                      archive.Hash
	session, person           string
	membership, disclosure    string
}

func (g *grower) uuid() string {
	var u uuid.UUID
	binary.LittleEndian.PutUint64(u[:8], g.rnd.Uint64())
	binary.LittleEndian.PutUint64(u[8:], g.rnd.Uint64())
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return u.String()
}

func (g *grower) uuids(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = g.uuid()
	}
	return list
}

func (g *grower) part() iter.Seq2[*archive.Row, error] {
	return func(yield func(*archive.Row, error) bool) {
		// A part is one shipping run: the tenants' events came mixed, and stand in it tenant by tenant.
		first := g.event
		for i, t := range g.tenants {
			for n := range g.perTenant {
				at := first + int64(n*benchTenants+i)
				if r := g.row(t, at); !yield(r, nil) {
					return
				}
			}
		}
		g.event += int64(g.perTenant * benchTenants)
	}
}

func (g *grower) row(t *tenantChain, event int64) *archive.Row {
	text := func(s string) *string { return &s }
	if t.seq%24 == 0 {
		k := g.rnd.IntN(len(t.people))
		t.session, t.person, t.membership = g.uuid(), t.people[k], t.people[(k+1)%len(t.people)]
	}
	if t.seq%6 == 0 {
		t.disclosure = g.uuid()
	}
	t.seq++
	at := g.start + event*50_000 // 20 a second
	r := &archive.Row{TenantID: t.id, Seq: t.seq, SealedAt: at - at%1_000_000 + 1_000_000, EventID: event + 1,
		RecordedAt: at + int64(g.rnd.IntN(50_000)), UserID: text(t.person),
		ActorKind: "human", SessionID: text(t.session), MembershipID: text(t.membership), Action: "view", Outcome: "ok",
		Source: "app", Purpose: text("treatment")}
	if t.seq%24 == 1 {
		r.Action, r.Purpose, r.Detail = "sign_in", nil, text(`{"client": "web", "method": "password"}`)
	} else {
		k := g.rnd.IntN(len(t.records))
		r.DisclosureID, r.RecordTable, r.RecordID = text(t.disclosure), text("public.encounters"), &t.records[k]
		r.SubjectID = &t.patients[k%len(t.patients)]
	}
	binary.LittleEndian.PutUint64(r.Nonce[:8], g.rnd.Uint64())
	binary.LittleEndian.PutUint64(r.Nonce[8:], g.rnd.Uint64())
	r.Hash = archive.RowHash(t.hash, r)
	t.hash = r.Hash
	return r
}
