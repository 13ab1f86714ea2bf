package diagnose_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/archive/diagnose"
)

// TestMain is also the program that the tests start: as ward would parse a file, or as one that a file has taken over.
func TestMain(m *testing.M) {
	if len(os.Args) < 2 {
		os.Exit(m.Run())
	}
	switch os.Args[1] {
	case "parse":
		if err := diagnose.Child(context.Background(), os.Stdin, os.NewFile(3, "part"), os.Stdout,
			os.Exit); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case "spin":
		for n := 0; ; n++ { // never gives up, whatever it is asked
			runtime.KeepAlive(n)
		}
	case "crash":
		panic("the file took over")
	case "talk":
		for {
			if _, err := os.Stdout.WriteString(strings.Repeat("a", 1<<16)); err != nil {
				os.Exit(9)
			}
		}
	case "lie":
		fmt.Printf(`{"findings": [{"status": "valid", "tenant": %q, "message": "all is well"}]}`,
			strings.Repeat("x", 1<<20))
	case "environment":
		fmt.Printf(`{"error": %q}`, strings.Join(os.Environ(), " "))
	default:
		os.Exit(m.Run())
	}
}

// shop is an archive of one part in a directory, whose file a test replaces.
type shop struct {
	dir, part string
	key       archive.Key
	data      []byte
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{dir: t.TempDir()}
	store, err := archive.OpenDir(s.dir)
	check(t, err)
	origin := archive.Origin("test", "eu")
	private, public, err := archive.GenerateKey(origin)
	check(t, err)
	signer, err := archive.NewSigner(private)
	check(t, err)
	s.key, err = archive.ParseKey(public)
	check(t, err)
	log, err := archive.OpenLog(t.Context(), store, "eu", origin, signer)
	check(t, err)
	m, err := log.Append(t.Context(), "2026-04", seq(rows(t, 200, nil)), time.Now().AddDate(6, 0, 0))
	check(t, err)
	s.part = m.Path
	s.data, err = os.ReadFile(filepath.Join(s.dir, s.part))
	check(t, err)
	return s
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const tenant = "0a000000-0000-4000-8000-000000000001"

// rows makes one tenant's chain, with a change after it was sealed.
func rows(t testing.TB, n int, change func([]archive.Row)) []archive.Row {
	t.Helper()
	at, err := time.Parse("2006-01", "2026-04")
	check(t, err)
	list, prev := make([]archive.Row, n), archive.Genesis(tenant)
	for i := range list {
		r, text := &list[i], fmt.Sprintf(`{"n": %d}`, i)
		*r = archive.Row{TenantID: tenant, Seq: int64(i) + 1, SealedAt: at.UnixMicro() + int64(i),
			EventID: int64(i) + 1, RecordedAt: at.UnixMicro() + int64(i), ActorKind: "human", Action: "view",
			Outcome: "ok", Source: "test", Detail: &text}
		r.Hash = archive.RowHash(prev, r)
		prev = r.Hash
	}
	if change != nil {
		change(list)
	}
	return list
}

func seq(list []archive.Row) iter.Seq2[*archive.Row, error] {
	return func(yield func(*archive.Row, error) bool) {
		for i := range list {
			if !yield(&list[i], nil) {
				return
			}
		}
	}
}

func (s *shop) put(t *testing.T, data []byte) {
	t.Helper()
	file := filepath.Join(s.dir, s.part)
	check(t, os.Remove(file))
	check(t, os.WriteFile(file, data, 0o444))
}

// verify diagnoses with a process of the given kind and returns the findings after FILE_MODIFIED.
func (s *shop) verify(t *testing.T, limits diagnose.Limits, kind string) []archive.Finding {
	t.Helper()
	store, err := archive.OpenDir(s.dir)
	check(t, err)
	program, err := os.Executable()
	check(t, err)
	r, err := archive.NewVerification(store, archive.VerifyOptions{Keys: []archive.Key{s.key},
		Diagnose: diagnose.InChild(limits, program, kind)}).Run(t.Context())
	check(t, err)
	if r.Verdict != archive.Invalid || len(r.Findings) < 2 || r.Findings[0].Status != archive.FileModified ||
		r.Findings[0].Part != s.part {
		t.Fatalf("%s: %v", r.Verdict, r.Findings)
	}
	return r.Findings[1:]
}

var ample = diagnose.Limits{Memory: 256 << 20, Time: 20 * time.Second}

// TestNamesTheRow finds, in a process of its own, the one row of a rewritten file that is another one.
func TestNamesTheRow(t *testing.T) {
	s := newShop(t)
	s.put(t, rewritten(t, func(list []archive.Row) { list[122].Action = "delete" }))
	got := s.verify(t, ample, "parse")
	if len(got) != 1 || got[0].Status != archive.RowModified || got[0].Seq != 123 || got[0].Tenant != tenant ||
		got[0].Part != s.part {
		t.Errorf("got %v, want row 123", got)
	}
}

// rewritten is a file of the same rows but for a change, as somebody would write it who keeps the hashes.
func rewritten(t *testing.T, change func([]archive.Row)) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := parquet.NewGenericWriter[archive.Row](&buf, parquet.Compression(&parquet.Zstd))
	_, err := w.Write(rows(t, 200, change))
	check(t, err)
	check(t, w.Close())
	return buf.Bytes()
}

// footer takes a Parquet file apart: what stands before the footer, and the footer.
func footer(t *testing.T, data []byte) ([]byte, *format.FileMetaData) {
	t.Helper()
	n := int(binary.LittleEndian.Uint32(data[len(data)-8:]))
	var md format.FileMetaData
	check(t, thrift.Unmarshal(new(thrift.CompactProtocol), data[len(data)-8-n:len(data)-8], &md))
	return slices.Clone(data[:len(data)-8-n]), &md
}

func withFooter(t *testing.T, body []byte, md *format.FileMetaData) []byte {
	t.Helper()
	text, err := thrift.Marshal(new(thrift.CompactProtocol), md)
	check(t, err)
	return rawFooter(body, text)
}

func rawFooter(body, text []byte) []byte {
	out := append(slices.Clone(body), text...)
	return append(binary.LittleEndian.AppendUint32(out, uint32(len(text))), "PAR1"...)
}

// bomb is a page of few bytes that becomes many, in the place of the column "detail".
func bomb(t *testing.T, data []byte, size int64, claimed int32) []byte {
	t.Helper()
	var packed bytes.Buffer
	w, err := zstd.NewWriter(&packed, zstd.WithEncoderLevel(zstd.SpeedFastest))
	check(t, err)
	zeros := make([]byte, 1<<20)
	for range size / int64(len(zeros)) {
		_, err := w.Write(zeros)
		check(t, err)
	}
	check(t, w.Close())
	body, md := footer(t, data)
	columns := md.RowGroups[0].Columns
	c := &columns[slices.IndexFunc(columns,
		func(c format.ColumnChunk) bool { return slices.Equal(c.MetaData.PathInSchema, []string{"detail"}) })].MetaData
	head, err := thrift.Marshal(new(thrift.CompactProtocol), &format.PageHeader{Type: format.DataPage,
		UncompressedPageSize: claimed, CompressedPageSize: int32(packed.Len()),
		DataPageHeader: thrift.New(format.DataPageHeader{NumValues: int32(c.NumValues), Encoding: format.Plain,
			DefinitionLevelEncoding: format.RLE, RepetitionLevelEncoding: format.RLE})})
	check(t, err)
	c.DataPageOffset, c.DictionaryPageOffset = int64(len(body)), 0
	body = append(append(body, head...), packed.Bytes()...)
	c.TotalCompressedSize = int64(len(head) + packed.Len())
	t.Logf("%d bytes become %d", packed.Len(), size)
	return withFooter(t, body, md)
}

// hostile are files that were made to harm their reader.
func hostile(t *testing.T, data []byte) map[string][]byte {
	body, md := footer(t, data)
	lying := *md
	lying.NumRows = 1 << 62
	lying.RowGroups = slices.Clone(md.RowGroups)
	lying.RowGroups[0].NumRows = 1 << 62
	columns := slices.Clone(md.RowGroups[0].Columns)
	for i := range columns {
		columns[i].MetaData.NumValues, columns[i].MetaData.TotalCompressedSize = 1<<17, 1<<40
	}
	sizes := *md
	sizes.RowGroups = slices.Clone(md.RowGroups)
	sizes.RowGroups[0].Columns = columns
	return map[string][]byte{
		"a bomb":              bomb(t, data, 1500<<20, 4096),
		"a bomb that says so": bomb(t, data, 1500<<20, 1500<<20),
		// version 1, a list of 2^31-1 structs
		"a footer of 2 G fields": rawFooter(body, []byte{0x15, 0x02, 0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07}),
		"a name of 2 G bytes":    rawFooter(body, []byte{0x15, 0x02, 0x19, 0x1c, 0x48, 0xff, 0xff, 0xff, 0xff, 0x07}),
		"2^62 rows":              withFooter(t, body, &lying),
		"chunks of 1 TiB":        withFooter(t, body, &sizes),
		"cut in the middle":      data[:len(data)/2],
		"cut pages": append(append(slices.Clone(data[:len(data)/3]),
			bytes.Repeat([]byte{0}, len(data)/3)...), data[len(data)/3*2:]...),
		"empty":      {},
		"no Parquet": []byte(strings.Repeat("PAR1", 100)),
	}
}

// TestHostileFiles: none of them costs the verifier more than the file itself; each is said to be unreadable.
func TestHostileFiles(t *testing.T) {
	s := newShop(t)
	for name, data := range hostile(t, s.data) {
		t.Run(name, func(t *testing.T) {
			s.put(t, data)
			most := watchMemory()
			got := s.verify(t, ample, "parse")
			peak := most()
			last := got[len(got)-1]
			greedy := name == "a bomb" // the others are refused for what they claim, before anything is allocated
			if last.Status != archive.Unreadable ||
				greedy != strings.Contains(last.Message, "needed more than 256 MiB") {
				t.Errorf("got %v", got)
			}
			t.Logf("%v; this process held %d MiB at most", last, peak>>20)
			if peak > 128<<20 {
				t.Errorf("this process held %d MiB", peak>>20)
			}
		})
	}
}

// watchMemory measures how much memory this process holds at most until the returned function is called.
func watchMemory() func() uint64 {
	runtime.GC()
	var peak atomic.Uint64
	quit, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak.Store(max(peak.Load(), m.HeapInuse+m.StackInuse))
			select {
			case <-quit:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	return func() uint64 { close(quit); <-gone; return peak.Load() }
}

// TestTheProcessEnds: what a process that a file has taken over can do to the verifier is nothing but to be no help.
func TestTheProcessEnds(t *testing.T) {
	s := newShop(t)
	s.put(t, append(slices.Clone(s.data), 0))
	brief := diagnose.Limits{Memory: 64 << 20, Time: 100 * time.Millisecond}
	long := diagnose.Limits{Memory: 64 << 20, Time: time.Minute} // whatever ends by itself does, on a busy machine too
	for kind, want := range map[string]string{
		"spin": "did not end within 100ms", "crash": "exit status 2: panic: the file took over",
		"talk": "said more than", "lie": "all is well", "environment": "GOMAXPROCS=2",
	} {
		t.Run(kind, func(t *testing.T) {
			most := watchMemory()
			limits := long
			if kind == "spin" {
				limits = brief
			}
			got := s.verify(t, limits, kind)
			if len(got) != 1 || got[0].Status != archive.Unreadable || !strings.Contains(got[0].Message, want) {
				t.Errorf("got %v, want UNREADABLE and %q", got, want)
			}
			if len(got[0].Tenant) > 1024 || strings.Contains(got[0].Message, "PATH=") {
				t.Errorf("too much got through: %d bytes of tenant, %q", len(got[0].Tenant), got[0].Message)
			}
			if peak := most(); peak > 128<<20 {
				t.Errorf("this process held %d MiB", peak>>20)
			}
		})
	}
}

// TestInterrupted: who cancels a verification does not wait for a process that goes on.
func TestInterrupted(t *testing.T) {
	s := newShop(t)
	s.put(t, append(slices.Clone(s.data), 0))
	program, err := os.Executable()
	check(t, err)
	store, err := archive.OpenDir(s.dir)
	check(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	in := diagnose.InChild(diagnose.Limits{Memory: 1 << 30, Time: time.Hour}, program, "spin")
	_, err = archive.NewVerification(store, archive.VerifyOptions{Keys: []archive.Key{s.key},
		Diagnose: func(c context.Context, d *archive.Diagnosis) ([]archive.Finding, error) {
			time.AfterFunc(50*time.Millisecond, cancel)
			return in(c, d)
		}}).Run(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestChildRefuses what no ward asked.
func TestChildRefuses(t *testing.T) {
	for _, text := range []string{"", "{}", `{"limits": {"memory": 1, "time": 1}}`, "null"} {
		if err := diagnose.Child(t.Context(), strings.NewReader(text), os.Stdin, &bytes.Buffer{},
			func(int) {}); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}
