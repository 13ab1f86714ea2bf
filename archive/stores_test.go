package archive_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/archive/s3"
	"github.com/ward-health/ward/archive/s3/s3test"
	"github.com/ward-health/ward/internal/needs"
)

// TestMain gives the suite a second store: a real S3 server, started when the first test asks for it.
func TestMain(m *testing.M) {
	b := &buckets{
		launch: sync.OnceValues(func() (*s3test.Server, error) { return s3test.Launch(context.Background()) })}
	archive.S3 = b
	code := m.Run()
	if b.used.Load() {
		if s, err := b.launch(); err == nil {
			s.Stop()
		}
	}
	os.Exit(code)
}

// buckets makes a bucket for every archive.
type buckets struct {
	launch func() (*s3test.Server, error)
	used   atomic.Bool
	made   atomic.Int64
}

func (b *buckets) server(t testing.TB) *s3test.Server {
	t.Helper()
	b.used.Store(true)
	s, err := b.launch()
	return needs.Given(t, s, err)
}

// New makes a bucket. Its objects stand below a prefix, as they may.
func (b *buckets) New(t testing.TB) (string, archive.Store) {
	t.Helper()
	s := b.server(t)
	bucket := fmt.Sprintf("bucket-%d", b.made.Add(1))
	if err := s.MakeBucket(t.Context(), bucket); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(s.Root, bucket, "some", "prefix")
	return dir, b.Reopen(t, dir)
}

// Reopen makes a store that has seen nothing yet.
func (b *buckets) Reopen(t testing.TB, dir string) archive.Store {
	t.Helper()
	s := b.server(t)
	name, ok := strings.CutPrefix(dir, s.Root+"/")
	if !ok {
		t.Fatalf("%s is not below %s", dir, s.Root)
	}
	store, err := s3.Open(s3.Scheme+name, s.Options())
	if err != nil {
		t.Fatal(err)
	}
	return store
}
