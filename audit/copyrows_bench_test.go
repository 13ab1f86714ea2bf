package audit

import (
	"context"
	"encoding/binary"
	"iter"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/archive"
)

// copied makes the binary COPY of n sealed rows of one tenant as ward bench ship has them: a disclosure of its own for
// every row, some thousand patients, a few people.
func copied(tb testing.TB, n int) (stream []byte) {
	tb.Helper()
	rnd := rand.New(rand.NewPCG(1, 2))
	id := func() (u uuid.UUID) {
		binary.LittleEndian.PutUint64(u[:8], rnd.Uint64())
		binary.LittleEndian.PutUint64(u[8:], rnd.Uint64())
		u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
		return u
	}
	ids := func(n int) []uuid.UUID {
		list := make([]uuid.UUID, n)
		for i := range list {
			list[i] = id()
		}
		return list
	}
	tenant, users, sessions, members, patients := id(), ids(5), ids(10), ids(5), ids(10_000)
	prev := archive.Genesis(tenant.String())
	stream = append(stream, copyHead...)
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	for i := range n {
		disclosure, patient := id(), patients[rnd.IntN(len(patients))]
		user, session, member := users[i%5], sessions[i%10], members[i%5]
		at += int64(rnd.IntN(100))
		detail := `{"bench": true}`
		text := func(u uuid.UUID) *string { s := u.String(); return &s }
		table, purpose := "public.patients", "treatment"
		r := archive.Row{TenantID: tenant.String(), Seq: int64(i + 1), SealedAt: at/1e6*1e6 + 1e6,
			EventID: int64(i + 1), RecordedAt: at, UserID: text(user), ActorKind: "human", SessionID: text(session),
			MembershipID: text(member), DisclosureID: text(disclosure), Action: "view", Outcome: "ok",
			RecordTable: &table, RecordID: text(patient), SubjectID: text(patient),
			Purpose: &purpose, Detail: &detail, Source: "app"}
		copy(r.Nonce[:], func() []byte { u := id(); return u[:] }())
		r.Hash = archive.RowHash(prev, &r)
		prev = r.Hash
		field := func(b []byte) {
			stream = binary.BigEndian.AppendUint32(stream, uint32(len(b)))
			stream = append(stream, b...)
		}
		num := func(v int64) { field(binary.BigEndian.AppendUint64(nil, uint64(v))) }
		stream = binary.BigEndian.AppendUint16(stream, copyColumns)
		field(tenant[:])
		num(r.Seq)
		num(r.SealedAt - postgresEpoch)
		field(r.Nonce[:])
		field(r.Hash[:])
		num(r.EventID)
		num(r.RecordedAt - postgresEpoch)
		stream = binary.BigEndian.AppendUint32(stream, 0xffffffff)
		field(user[:])
		field([]byte("human"))
		field(session[:])
		field(member[:])
		field(disclosure[:])
		field([]byte("view"))
		field([]byte("ok"))
		field([]byte(table))
		field(patient[:])
		field(patient[:])
		field([]byte(purpose))
		field([]byte(detail))
		field([]byte("app"))
	}
	return binary.BigEndian.AppendUint16(stream, 0xffff)
}

// BenchmarkShipCopied is what shipping costs beside the database: from the bytes of COPY to a part that was stored and
// checked.
func BenchmarkShipCopied(b *testing.B) {
	const n = 300_000
	stream := copied(b, n)
	text, _, err := archive.GenerateKey("ward/bench/eu")
	if err != nil {
		b.Fatal(err)
	}
	signer, err := archive.NewSigner(text)
	if err != nil {
		b.Fatal(err)
	}
	cpu := func() time.Duration {
		var u syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	var used time.Duration
	rounds := 0
	for b.Loop() {
		store, err := archive.CreateDir(b.TempDir() + "/x")
		if err != nil {
			b.Fatal(err)
		}
		log, err := archive.OpenLog(b.Context(), store, "eu", "ward/bench/eu", signer)
		if err != nil {
			b.Fatal(err)
		}
		before := cpu()
		m, err := log.Append(b.Context(), "2026-01", replay(b.Context(), stream), time.Now().AddDate(7, 0, 0))
		if err != nil || m.Rows != n {
			b.Fatal(err, m.Rows)
		}
		used += cpu() - before
		rounds++
		b.ReportMetric(float64(m.Bytes)/n, "B/row")
	}
	b.ReportMetric(used.Seconds()/float64(rounds)/n*1e6, "cpu-us/row")
}

// replay yields the rows of a stream as if a server sent it.
func replay(ctx context.Context, stream []byte) iter.Seq2[*archive.Row, error] {
	return pumped(ctx, []*reading{{chunks: make(chan []archive.Row, 2)}}, 1,
		func(ctx context.Context, next func() *reading) error {
			to := next().chunks
			defer close(to)
			r := copyReader{ctx: ctx, to: to}
			for len(stream) > 0 {
				n := min(64<<10, len(stream))
				if _, err := r.Write(stream[:n]); err != nil {
					return err
				}
				stream = stream[n:]
			}
			return r.end(r.rows)
		})
}
