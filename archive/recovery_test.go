package archive

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

// lostRows is an archive with published heads of rows that were lost: tenant A's chain is archived to row 25, published
// to row 30, and goes on otherwise.
func lostRows(t *testing.T) (f *fixture, lost, archived Position) {
	t.Helper()
	f = newFixture(t)
	l := f.open(t)
	f.append(t, l, "2026-01", f.chains.next(tenantA, "2026-01", 25), f.chains.next(tenantB, "2026-01", 5))
	archived = f.chains[tenantA]
	f.chains.next(tenantA, "2026-01", 3)
	publish(t, l, f.chains, testNow)
	f.chains.next(tenantA, "2026-01", 2)
	publish(t, l, f.chains, testNow.Add(time.Minute))
	lost = f.chains[tenantA]
	f.chains[tenantA] = archived
	return f, lost, archived
}

func publish(t *testing.T, l *Log, c chains, at time.Time) {
	t.Helper()
	if err := l.PublishHeads(t.Context(), c.heads(), at); err != nil {
		t.Fatal(err)
	}
}

// other makes rows that are not those that were lost.
func (f *fixture) other(tenant, month string, n int) []Row {
	rows := f.chains.next(tenant, month, n)
	pos := Position{rows[0].Seq - 1, Hash{}}
	pos.Hash = Genesis(tenant)
	if s := f.parts[0].Tenants[0]; s.TenantID == tenant {
		pos = Position{s.LastSeq, Hash(s.LastHash)}
	}
	for i := range rows {
		rows[i].Outcome = "denied"
		rows[i].Hash = RowHash(pos.Hash, &rows[i])
		pos = Position{rows[i].Seq, rows[i].Hash}
	}
	f.chains[tenant] = pos
	return rows
}

func recovery(archived, lost Position) Recovery {
	return Recovery{Reason: "restored", EventID: 9, HeadsUntil: testNow.Add(time.Minute).UnixMicro(),
		Tenants: []RecoveredTenant{{TenantID: tenantA, ArchivedSeq: archived.Seq,
			ArchivedHash: HexHash(archived.Hash), DatabaseSeq: archived.Seq - 5, ResumedSeq: archived.Seq,
			LostSeq: lost.Seq, LostHash: HexHash(lost.Hash)}}}
}

// TestRecoveryExplains: with a recovery in the log the lost heads are RECOVERED, without it HEAD_MISMATCH, and it
// explains nothing but what it names.
func TestRecoveryExplains(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*Recovery)
		after   func(*testing.T, *fixture, *Log)
		verdict Verdict
		wants   string
	}{
		"named":           {func(*Recovery) {}, nil, NotProven, Recovered},
		"another hash":    {func(r *Recovery) { r.Tenants[0].LostHash[0] ^= 1 }, nil, Invalid, HeadMismatch},
		"fewer rows":      {func(r *Recovery) { r.Tenants[0].LostSeq-- }, nil, Invalid, HeadMismatch},
		"an earlier note": {func(r *Recovery) { r.HeadsUntil = testNow.UnixMicro() }, nil, Invalid, HeadMismatch},
		"another tenant": {func(r *Recovery) {
			r.Tenants[0].TenantID, r.Tenants[0].ArchivedSeq, r.Tenants[0].ArchivedHash = tenantC, 0,
				HexHash(Genesis(tenantC))
		}, nil, Invalid, HeadMismatch},
		"a later note": {func(*Recovery) {}, func(t *testing.T, f *fixture, l *Log) {
			f.chains[tenantA] = Position{29, Hash{1}}
			publish(t, l, f.chains, testNow.Add(time.Hour))
		}, Invalid, HeadMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			f, lost, archived := lostRows(t)
			l := f.open(t)
			r := recovery(archived, lost)
			c.change(&r)
			m := must(l.AppendRecovery(t.Context(), "2026-01", testRetain, r))(t)
			l = f.open(t) // reads it again
			f.append(t, l, "2026-01", f.other(tenantA, "2026-01", 8))
			if c.after != nil {
				c.after(t, f, l)
			}
			got := f.verify(t)
			wants(t, got, c.verdict, c.wants)
			if m.Version != RecoveryVersion || len(got.Parts) != 3 {
				t.Errorf("manifest %s, %d parts", m.Version, len(got.Parts))
			}
		})
	}
	t.Run("without", func(t *testing.T) {
		f, _, _ := lostRows(t)
		f.append(t, f.open(t), "2026-01", f.other(tenantA, "2026-01", 8))
		wants(t, f.verify(t), Invalid, HeadMismatch)
	})
	t.Run("nothing was published", func(t *testing.T) {
		f, _, archived := lostRows(t)
		for _, p := range f.files(t) {
			if strings.Contains(p, "/heads/") {
				f.remove(t, p)
			}
		}
		l := f.open(t)
		r := recovery(archived, archived)
		r.Tenants[0].LostHash = HexHash{}
		must(l.AppendRecovery(t.Context(), "2026-01", testRetain, r))(t)
		f.append(t, l, "2026-01", f.other(tenantA, "2026-01", 8))
		got := f.verify(t)
		wants(t, got, Valid)
		if text := strings.Join(got.NotCovered, "\n"); !strings.Contains(text, "event 9: restored") {
			t.Errorf("it is not said: %s", text)
		}
	})
}

// TestRecoveryIsStrict: a recovery that contradicts the parts is refused by the writer and INVALID to a verifier, and
// the format is accepted in one spelling.
func TestRecoveryIsStrict(t *testing.T) {
	f, lost, archived := lostRows(t)
	wrong := recovery(Position{archived.Seq, Hash{1}}, lost)
	if _, err := f.open(t).AppendRecovery(t.Context(), "2026-01", testRetain, wrong); err == nil ||
		len(f.files(t)) != 5 {
		t.Errorf("another end of the chain: %v, %d files", err, len(f.files(t)))
	}
	good := recovery(archived, lost)
	m := must(f.open(t).AppendRecovery(t.Context(), "2026-01", testRetain, good))(t)
	data := must(m.Marshal())(t)
	if _, err := ParseManifest(data); err != nil {
		t.Fatal(err)
	}
	for what, edit := range map[string][2]string{
		"v1": {"manifest/v2", "manifest/v1"}, "empty too": {`"empty": false`, `"empty": true`},
		"no tenants": {`"tenant_id"`, `"tenant_xx"`}, "no reason": {`"restored"`, `" "`},
		"a loss before the end": {`"lost_seq": 30`, `"lost_seq": 24`},
	} {
		bad := bytes.Replace(data, []byte(edit[0]), []byte(edit[1]), 1)
		if _, err := ParseManifest(bad); bytes.Equal(bad, data) || !errors.Is(err, errMalformed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	plain := must(f.parts[0].Marshal())(t)
	if _, err := ParseManifest(bytes.Replace(plain, []byte("manifest/v1"), []byte("manifest/v2"),
		1)); !errors.Is(err, errMalformed) {
		t.Errorf("v2 without a recovery: %v", err)
	}
	// signed all the same, by whoever has the key
	f, lost, archived = lostRows(t)
	l := f.open(t)
	l.tail[tenantA] = TenantSpan{TenantID: tenantA, LastSeq: archived.Seq, LastHash: HexHash{1}}
	must(l.AppendRecovery(t.Context(), "2026-01", testRetain, recovery(Position{archived.Seq, Hash{1}}, lost)))(t)
	wants(t, f.verify(t), Invalid, RowModified+" v1/region="+testRegion+"/month=2026-01/part-000002.manifest.json")
	if _, err := OpenLog(t.Context(), f.store, testRegion, testOrigin, f.signer); !errors.Is(err, ErrDamaged) {
		t.Errorf("the log goes on after it: %v", err)
	}
}
