package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

func microTime(micros int64) time.Time { return time.UnixMicro(micros) }

var update = flag.Bool("update", false, "write testdata/archive anew")

const vectorsFile = "../testdata/archive/vectors.json"

// vector is one entry of the test vectors: another implementation must get the same bytes and hash.
type vector struct {
	Name      string    `json:"name"`
	PrevHash  HexHash   `json:"prev_hash"`
	Row       vectorRow `json:"row"`
	Canonical string    `json:"canonical"`
	Hash      HexHash   `json:"hash"`
}

type vectorRow struct {
	TenantID     string  `json:"tenant_id"`
	Seq          int64   `json:"seq"`
	SealedAt     int64   `json:"sealed_at"`
	EventID      int64   `json:"event_id"`
	RecordedAt   int64   `json:"recorded_at"`
	OccurredAt   *int64  `json:"occurred_at"`
	UserID       *string `json:"user_id"`
	ActorKind    string  `json:"actor_kind"`
	SessionID    *string `json:"session_id"`
	MembershipID *string `json:"membership_id"`
	DisclosureID *string `json:"disclosure_id"`
	Action       string  `json:"action"`
	Outcome      string  `json:"outcome"`
	RecordTable  *string `json:"record_table"`
	RecordID     *string `json:"record_id"`
	SubjectID    *string `json:"subject_id"`
	Purpose      *string `json:"purpose"`
	Detail       *string `json:"detail"`
	Source       string  `json:"source"`
	Nonce        string  `json:"nonce"` // hexadecimal
}

func (v vectorRow) row() Row {
	b, err := hex.DecodeString(v.Nonce)
	if err != nil {
		panic(err)
	}
	return Row{v.TenantID, v.Seq, v.SealedAt, v.EventID, v.RecordedAt, v.OccurredAt, v.UserID, v.ActorKind, v.SessionID,
		v.MembershipID, v.DisclosureID, v.Action, v.Outcome, v.RecordTable, v.RecordID, v.SubjectID, v.Purpose,
		v.Detail, v.Source, Nonce(b), Hash{}}
}

type vectors struct {
	Genesis []struct {
		TenantID string  `json:"tenant_id"`
		Hash     HexHash `json:"hash"`
	} `json:"genesis"`
	Rows       []vector `json:"rows"`
	MerkleRoot []struct {
		Rows int     `json:"rows"`
		Root HexHash `json:"root"`
	} `json:"merkle_root"`
	// MerkleRootOfCounted is over rows whose hashes are SHA-256 of their place, from 0, in decimal.
	MerkleRootOfCounted []struct {
		Rows int     `json:"rows"`
		Root HexHash `json:"root"`
	} `json:"merkle_root_of_counted_rows"`
}

func rootOf(rows []Hash) HexHash {
	var t rowTree
	for i := range rows {
		t.add(&rows[i])
	}
	return HexHash(t.root())
}

func vectorInputs() []vector {
	full := vectorRow{tenantA, 2, 1767225600000001, 42, 1767225599999999, ptr(int64(-1)), ptr("u"), "human", ptr("s"),
		ptr("m"), ptr("d"),
		"view", "ok", ptr("patients"), ptr("r"), ptr("p"), ptr("treatment"), ptr(`{"page": 1}`), "app",
		"000102030405060708090a0b0c0d0e0f"}
	small := vectorRow{TenantID: tenantA, Seq: 1, SealedAt: 1767225600000000, EventID: 41, RecordedAt: 1767225599000000,
		ActorKind: "service", Action: "sign_in", Outcome: "denied", Source: "app", Nonce: strings.Repeat("00", 16)}
	unicode := full
	unicode.Seq, unicode.Detail, unicode.Purpose = 3, ptr("{\"name\":\"Zo\u00eb \\u0000\"}"), ptr("")
	return []vector{{Name: "NULL in every column that may be", Row: small},
		{Name: "a value in every column", Row: full},
		{Name: "empty text, and text beyond ASCII", Row: unicode}}
}

func makeVectors() vectors {
	var v vectors
	for _, tenant := range []string{tenantA, ""} {
		v.Genesis = append(v.Genesis, struct {
			TenantID string  `json:"tenant_id"`
			Hash     HexHash `json:"hash"`
		}{tenant, HexHash(Genesis(tenant))})
	}
	prev := Genesis(tenantA)
	var rows []Hash
	for _, in := range vectorInputs() {
		r := in.Row.row()
		in.PrevHash, in.Canonical = HexHash(prev), hex.EncodeToString(AppendCanonical(nil, prev, &r))
		prev = RowHash(prev, &r)
		in.Hash = HexHash(prev)
		v.Rows = append(v.Rows, in)
		rows = append(rows, prev)
		v.MerkleRoot = append(v.MerkleRoot, struct {
			Rows int     `json:"rows"`
			Root HexHash `json:"root"`
		}{len(v.Rows), rootOf(rows)})
	}
	var counted []Hash
	for i := range 300 {
		counted = append(counted, sha256.Sum256([]byte(strconv.Itoa(i))))
	}
	for _, n := range []int{1, 15, 16, 17, 32, 40, 300} {
		v.MerkleRootOfCounted = append(v.MerkleRootOfCounted, struct {
			Rows int     `json:"rows"`
			Root HexHash `json:"root"`
		}{n, rootOf(counted[:n])})
	}
	return v
}

func TestVectors(t *testing.T) {
	want := makeVectors()
	if *update {
		data := must(json.MarshalIndent(want, "", " "))(t)
		if err := os.MkdirAll(filepath.Dir(vectorsFile), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(vectorsFile, append(data, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var got vectors
	if err := json.Unmarshal(must(os.ReadFile(vectorsFile))(t), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Rows) != 3 || !reflect.DeepEqual(got, want) {
		t.Errorf("%s is not what this package makes; if the format has a new version, add its vectors", vectorsFile)
	}
}

// TestDistinct changes every field of a row in turn: no two rows may have the same canonical bytes.
func TestDistinct(t *testing.T) {
	seen := map[string]string{}
	add := func(name string, r Row, prev Hash) {
		b := string(AppendCanonical(nil, prev, &r))
		if other, ok := seen[b]; ok {
			t.Errorf("%s and %s have the same bytes", name, other)
		}
		seen[b] = name
	}
	base := vectorInputs()[1].Row.row()
	add("base", base, Hash{})
	add("another previous hash", base, Hash{1})
	v := reflect.TypeOf(base)
	for i := range v.NumField() - 1 {
		r := base
		f := reflect.ValueOf(&r).Elem().Field(i)
		name := v.Field(i).Name
		switch f.Interface().(type) {
		case Nonce:
			f.Index(3).SetUint(99)
		case int64:
			f.SetInt(f.Int() + 1)
		case string:
			f.SetString(f.String() + "x")
		case *string:
			f.Set(reflect.ValueOf(ptr("")))
			add(name+" empty", r, Hash{})
			f.SetZero()
		case *int64:
			f.Set(reflect.ValueOf(ptr(int64(0))))
			add(name+" zero", r, Hash{})
			f.SetZero()
		}
		add(name, r, Hash{})
	}
	// Text that moves from one column to the next.
	r := base
	r.Action, r.Outcome = base.Action+base.Outcome, ""
	add("moved text", r, Hash{})
	if len(seen) < 30 {
		t.Errorf("only %d rows", len(seen))
	}
	r = base
	r.Hash = Hash{7}
	if RowHash(Hash{}, &r) != RowHash(Hash{}, &base) {
		t.Error("the stored hash is hashed")
	}
}

func TestTree(t *testing.T) {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(ix []int64) ([]tlog.Hash, error) {
		var out []tlog.Hash
		for _, i := range ix {
			out = append(out, stored[i])
		}
		return out, nil
	})
	var tr tree
	for n := range int64(70) {
		h := Hash{byte(n), byte(rand.Int())}
		tr.addLeaf(manifestLeaf(h[:]))
		stored = append(stored, must(tlog.StoredHashes(n, h[:], reader))(t)...)
		if want := must(tlog.TreeHash(n+1, reader))(t); tr.root() != Hash(want) {
			t.Fatalf("size %d: %x, want %x", n+1, tr.root(), want)
		}
	}
}

// The leaves of a part's tree are blocks of sixteen rows, the last of what is left.
func TestRowTree(t *testing.T) {
	var rows []Hash
	for n := range 70 {
		rows = append(rows, Hash{byte(n), byte(rand.Int())})
		var want tree
		for block := range slices.Chunk(rows, 16) {
			var data []byte
			for _, h := range block {
				data = append(data, h[:]...)
			}
			want.addLeaf(manifestLeaf(data))
		}
		if got := rootOf(rows); got != HexHash(want.root()) {
			t.Fatalf("%d rows: %s, want %x", n+1, got, want.root())
		}
	}
}

func TestKeys(t *testing.T) {
	skey, vkey, err := GenerateKey("ward/test/eu")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key")
	if err := WriteSigner(file, skey); err != nil {
		t.Fatal(err)
	}
	if err := WriteSigner(file, skey); !errors.Is(err, os.ErrExist) {
		t.Errorf("a key was replaced: %v", err)
	}
	s := must(LoadSigner(file))(t)
	if s.Key().Text != vkey {
		t.Errorf("public key %s, want %s", s.Key().Text, vkey)
	}
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadSigner(file); err == nil {
		t.Error("a key open to others was loaded")
	}
	pub := filepath.Join(t.TempDir(), "pub")
	if err := os.WriteFile(pub, []byte(vkey+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{vkey, pub} {
		if k := must(LoadVerifier(text))(t); k.Fingerprint() != Fingerprint(vkey) ||
			!strings.HasPrefix(k.Fingerprint(), "SHA256:") {
			t.Errorf("fingerprint %s", k.Fingerprint())
		}
	}
	for _, name := range []string{"", "a b", "a+b"} {
		if _, _, err := GenerateKey(name); err == nil {
			t.Errorf("key name %q was accepted", name)
		}
	}
	if _, err := LoadVerifier("nothing"); err == nil {
		t.Error("nothing was loaded")
	}
}

func TestParsePath(t *testing.T) {
	for p, kind := range map[string]objectKind{
		"v1/region=eu/month=2026-01/part-000001.parquet":         objectParquet,
		"v1/region=eu/month=2026-01/part-000001.manifest.json":   objectManifest,
		"v1/region=eu/checkpoints/000000000001":                  objectCheckpoint,
		"v1/region=eu/heads/00001767225600000000":                objectHeads,
		"v1/region=eu/month=2026-13/part-000001.parquet":         objectUnknown,
		"v1/region=eu/month=2026-01/part-000000.parquet":         objectUnknown,
		"v1/region=eu/month=2026-01/part-1.parquet":              objectUnknown,
		"v1/region=EU/month=2026-01/part-000001.parquet":         objectUnknown,
		"v1/region=eu/month=2026-01/part-000001.parquet.parquet": objectUnknown,
		"v2/region=eu/checkpoints/000000000001":                  objectUnknown,
	} {
		if o := parsePath(p, 0); o.kind != kind {
			t.Errorf("%s: kind %d, want %d", p, o.kind, kind)
		}
	}
}

func TestManifestStrict(t *testing.T) {
	m := build(t).parts[0]
	good := must(m.Marshal())(t)
	if _, err := ParseManifest(good); err != nil {
		t.Fatal(err)
	}
	replace := func(old, new string) []byte {
		out := bytes.Replace(good, []byte(old), []byte(new), 1)
		if bytes.Equal(out, good) {
			t.Fatalf("%q is not in the manifest", old)
		}
		return out
	}
	for name, data := range map[string][]byte{
		"unknown field": replace(`"rows"`, `"rowz"`), "other order": replace("{\n", "{\n \"empty\": false,\n"),
		"blank":      append(good, ' '),
		"upper case": bytes.ToUpper(good), "count": replace(`"rows": 30`, `"rows": 31`),
		"path":  replace("part-000001.parquet", "part-000002.parquet"),
		"month": replace("2026-01", "2026-1"), "nothing": nil, "not JSON": []byte("x"),
	} {
		if _, err := ParseManifest(data); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, err := ParseManifest(replace("ward-manifest/v1", "ward-manifest/v3")); !errors.Is(err, errUnsupported) {
		t.Errorf("another version: %v", err)
	}
}

// TestSignatureIsCanonical changes the bits of a signature's base64 that carry nothing.
func TestSignatureIsCanonical(t *testing.T) {
	f := build(t)
	text := f.last().Checkpoint
	i := strings.LastIndexByte(text, '=') - 1
	for bit := range 2 {
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
		bad := []byte(text)
		bad[i] = alphabet[strings.IndexByte(alphabet, text[i])^1<<bit]
		if _, err := ParseCheckpoint(bad, f.signer.Key()); !errors.Is(err, errUnsigned) {
			t.Errorf("bit %d: got %v, want errUnsigned", bit, err)
		}
	}
}
