package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sync/errgroup"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/archive/s3"
	"github.com/ward-health/ward/archive/s3/s3test"
)

const bucket = "archive"

var testRetain = time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)

// place is a server with a bucket, and its owner's client: who attacks has every right that a lock does not take.
type place struct {
	*s3test.Server
	owner *minio.Client
	until time.Time
}

func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{Server: s3test.Start(t), until: time.Now().Add(48 * time.Hour).UTC().Truncate(time.Second)}
	if err := p.MakeBucket(t.Context(), bucket); err != nil {
		t.Fatal(err)
	}
	var err error
	if p.owner, err = p.Client(); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *place) open(t *testing.T, change ...func(*s3.Options)) *s3.Store {
	t.Helper()
	o := p.Options()
	for _, c := range change {
		c(&o)
	}
	s, err := s3.Open("s3://"+bucket+"/a/b", o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (p *place) put(t *testing.T, s archive.Store, path, data string) {
	t.Helper()
	if err := s.Put(t.Context(), path, strings.NewReader(data), int64(len(data)), p.until); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, s archive.Store, path string) string {
	t.Helper()
	b, err := s.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	data := make([]byte, b.Size())
	if _, err := b.ReadAt(data, 0); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return string(data)
}

func listed(t *testing.T, s archive.Store) archive.Object {
	t.Helper()
	list, err := s.List(t.Context(), "v1/")
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 {
		t.Fatalf("listed %v, want one object", list)
	}
	return list[0]
}

func TestPutAndRead(t *testing.T) {
	p := newPlace(t)
	s := p.open(t)
	p.put(t, s, "v1/x", "0123456789")
	if err := s.Put(t.Context(), "v1/x", strings.NewReader("other"), 5, p.until); !errors.Is(err, archive.ErrExists) {
		t.Errorf("a second put: %v, want ErrExists", err)
	}
	if err := s.Put(t.Context(), "v1/y", strings.NewReader("other"), 6, p.until); err == nil {
		t.Error("a short object was accepted")
	}
	for _, path := range []string{"", "../x", "/x", "a/../../x", "a//b"} {
		if err := s.Put(t.Context(), path, strings.NewReader("x"), 1, p.until); err == nil {
			t.Errorf("path %q was accepted", path)
		}
	}
	for _, s := range []*s3.Store{s, p.open(t)} { // the second has seen nothing yet
		b, err := s.Open(t.Context(), "v1/x")
		if err != nil {
			t.Fatal(err)
		}
		part := make([]byte, 4)
		if n, err := b.ReadAt(part, 3); n != 4 || err != nil || string(part) != "3456" {
			t.Errorf("read %d %q %v", n, part, err)
		}
		if n, err := b.ReadAt(part, 8); n != 2 || !errors.Is(err, io.EOF) || string(part[:2]) != "89" {
			t.Errorf("read at the end: %d %q %v", n, part, err)
		}
		if _, err := b.ReadAt(part, 10); !errors.Is(err, io.EOF) {
			t.Errorf("read after the end: %v", err)
		}
		if _, err := s.Open(t.Context(), "v1/none"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("opened nothing: %v", err)
		}
		lock, err := s.Lock(t.Context(), "v1/x")
		if err != nil || lock.Mode != archive.LockCompliance || !lock.Until.Equal(p.until) {
			t.Errorf("lock %+v, %v; want COMPLIANCE until %s", lock, err, p.until)
		}
	}
	if o := listed(t, s); o.Path != "v1/x" || o.Size != 10 || o.Version == "" || o.Hidden != "" {
		t.Errorf("listed %+v", o)
	}
}

// An object beyond 16 MiB is one that minio-go would send in parts, without the condition.
func TestLargeObjectIsOnePut(t *testing.T) {
	p := newPlace(t)
	var puts, others atomic.Int64
	s := p.open(t, p.through(t, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPut && r.URL.RawQuery == "" && r.Header.Get("If-None-Match") == "*" &&
			r.Header.Get("X-Amz-Checksum-Sha256") != "" {
			puts.Add(1)
		} else if r.Method != http.MethodGet {
			others.Add(1)
		}
		next.ServeHTTP(w, r)
	}))
	data := bytes.Repeat([]byte("0123456789abcdef"), 20<<20/16)
	other := bytes.Repeat([]byte("fedcba9876543210"), 20<<20/16)
	for i, want := range []error{nil, archive.ErrExists} {
		// hidden behind a plain reader, as a pipe would be
		err := s.Put(t.Context(), "v1/large", io.MultiReader(bytes.NewReader([][]byte{data, other}[i])),
			int64(len(data)), p.until)
		if !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("put %d: %v, want %v", i, err, want)
		}
	}
	// A server may refuse before it has read all, which looks like a lost connection and is tried again.
	if puts.Load() < 2 || others.Load() != 0 {
		t.Errorf("%d single conditional PUTs with a checksum, want 2 or more; %d other writes, want none", puts.Load(),
			others.Load())
	}
	if got := read(t, s, "v1/large"); got != string(data) {
		t.Errorf("%d bytes came back changed", len(got))
	}
}

// through puts a proxy between store and server. It passes the Host header on, which is signed.
func (p *place) through(t *testing.T, handle func(http.ResponseWriter, *http.Request, http.Handler)) func(*s3.Options) {
	t.Helper()
	target, err := url.Parse(p.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handle(w, r, proxy) }))
	t.Cleanup(server.Close)
	return func(o *s3.Options) { o.Endpoint = server.URL }
}

// A PUT that arrived, but whose answer did not: the repeated one meets 412, and finds its own object. What somebody
// else put there in between is not taken for it.
func TestLostAnswer(t *testing.T) {
	p := newPlace(t)
	for name, test := range map[string]struct {
		before string // what reaches the server in place of our own
		want   error
	}{"our own": {"ours", nil}, "another's": {"them", archive.ErrExists},
		"another's, longer": {"longer", archive.ErrExists}} {
		t.Run(name, func(t *testing.T) {
			// no name of a test is the beginning of another
			path := "v1/" + strings.ReplaceAll(name, " ", "-") + "/part"
			var once sync.Once
			var lost atomic.Bool
			s := p.open(t, p.through(t, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if r.Method == http.MethodPut {
					once.Do(func() {
						if test.want == nil {
							next.ServeHTTP(httptest.NewRecorder(), r)
						} else {
							_, _ = io.Copy(io.Discard, r.Body)
							p.put(t, p.open(t), path, test.before)
						}
						lost.Store(true)
						w.WriteHeader(http.StatusServiceUnavailable)
					})
					if lost.Swap(false) {
						return
					}
				}
				next.ServeHTTP(w, r)
			}))
			err := s.Put(t.Context(), path, strings.NewReader("ours"), 4, p.until)
			if !errors.Is(err, test.want) || (err == nil) != (test.want == nil) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			if got := read(t, p.open(t), path); test.want == nil && got != "ours" {
				t.Errorf("stored %q", got)
			}
			if o, err := s.List(t.Context(), path); err != nil || len(o) != 1 || o[0].Hidden != "" {
				t.Errorf("listed %v, %v", o, err)
			}
		})
	}
}

// A connection that breaks in the middle of a part is made anew at the byte where it broke.
func TestBrokenRead(t *testing.T) {
	p := newPlace(t)
	data := strings.Repeat("ward", 1<<20)
	p.put(t, p.open(t), "v1/x", data)
	var gets atomic.Int64
	s := p.open(t, p.through(t, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "v1/x") && gets.Add(1) <= 3 {
			next.ServeHTTP(&breaking{ResponseWriter: w, left: 1 << 20}, r)
			return
		}
		next.ServeHTTP(w, r)
	}))
	b, err := s.Open(t.Context(), "v1/x")
	if err != nil {
		t.Fatal(err)
	}
	stream, err := b.(archive.Streamer).Stream() //nolint:errcheck // it is one, or the test ends here
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	got, err := io.ReadAll(stream)
	if err != nil || string(got) != data {
		t.Errorf("%d bytes of %d, %v", len(got), len(data), err)
	}
	if gets.Load() != 4 {
		t.Errorf("%d requests, want 4", gets.Load())
	}
}

// breaking ends the connection after some bytes.
type breaking struct {
	http.ResponseWriter
	left int
}

func (b *breaking) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		panic(http.ErrAbortHandler)
	}
	return b.ResponseWriter.Write(p)
}

// Nothing that the bucket's owner can send destroys what is locked, and what can be laid over it shows.
func TestAttacks(t *testing.T) {
	p := newPlace(t)
	compliance, governance := minio.Compliance, minio.Governance
	sooner := time.Now().Add(time.Hour).UTC()
	for _, attack := range []struct {
		name    string
		do      func(ctx context.Context, key, version string) error
		refused bool
		hidden  string
	}{
		{"delete the version", func(ctx context.Context, key, version string) error {
			return p.owner.RemoveObject(ctx, bucket, key,
				minio.RemoveObjectOptions{VersionID: version, GovernanceBypass: true})
		}, true, ""},
		{"shorten", func(ctx context.Context, key, version string) error {
			return p.owner.PutObjectRetention(ctx, bucket, key, minio.PutObjectRetentionOptions{Mode: &compliance,
				RetainUntilDate: &sooner, VersionID: version, GovernanceBypass: true})
		}, true, ""},
		{"downgrade", func(ctx context.Context, key, version string) error {
			return p.owner.PutObjectRetention(ctx, bucket, key, minio.PutObjectRetentionOptions{Mode: &governance,
				RetainUntilDate: &p.until, VersionID: version, GovernanceBypass: true})
		}, true, ""},
		{"remove the lock", func(ctx context.Context, key, version string) error {
			return p.owner.PutObjectRetention(ctx, bucket, key,
				minio.PutObjectRetentionOptions{VersionID: version, GovernanceBypass: true})
		}, true, ""},
		{"suspend versions",
			func(ctx context.Context, _, _ string) error { return p.owner.SuspendVersioning(ctx, bucket) }, true, ""},
		{"remove the bucket", func(ctx context.Context, _, _ string) error { return p.owner.RemoveBucket(ctx, bucket) },
			true, ""},
		{"delete marker", func(ctx context.Context, key, _ string) error {
			return p.owner.RemoveObject(ctx, bucket, key, minio.RemoveObjectOptions{})
		}, false, "a delete marker stands over it"},
		{"overwrite", func(ctx context.Context, key, _ string) error {
			_, err := p.owner.PutObject(ctx, bucket, key, strings.NewReader("forged"), 6, minio.PutObjectOptions{})
			return err
		}, false, "a later version stands over it"},
		{"delete marker, then overwrite", func(ctx context.Context, key, _ string) error {
			err := p.owner.RemoveObject(ctx, bucket, key, minio.RemoveObjectOptions{})
			if err == nil {
				_, err = p.owner.PutObject(ctx, bucket, key, strings.NewReader("forged"), 6, minio.PutObjectOptions{})
			}
			return err
		}, false, "a later version stands over it"},
	} {
		t.Run(attack.name, func(t *testing.T) {
			s := p.open(t)
			path := "v1/" + strings.NewReplacer(" ", "-", ",", "").Replace(attack.name)
			p.put(t, s, path, "genuine")
			list, err := s.List(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			if err := attack.do(t.Context(), "a/b/"+path, list[0].Version); (err != nil) != attack.refused {
				t.Errorf("refused: %v, want %v", err, attack.refused)
			}
			for _, s := range []*s3.Store{s, p.open(t)} {
				if got := read(t, s, path); got != "genuine" {
					t.Errorf("read %q", got)
				}
				if lock, err := s.Lock(t.Context(), path); err != nil || lock.Mode != archive.LockCompliance ||
					lock.Until.Before(p.until) {
					t.Errorf("lock %+v, %v", lock, err)
				}
				list, err := s.List(t.Context(), path)
				i := slices.IndexFunc(list, func(o archive.Object) bool { return o.Path == path })
				if err != nil || i < 0 || list[i].Hidden != attack.hidden {
					t.Errorf("listed %+v, %v; want hidden %q", list, err, attack.hidden)
				}
				if err := s.Put(t.Context(), path, strings.NewReader("second"), 6,
					p.until); !errors.Is(err, archive.ErrExists) {
					t.Errorf("put over it: %v, want ErrExists", err)
				}
			}
		})
	}
}

func TestExtendAndHold(t *testing.T) {
	p := newPlace(t)
	s := p.open(t)
	p.put(t, s, "v1/x", "x")
	later := p.until.Add(240 * time.Hour)
	for _, want := range []time.Time{later, later} { // the second asks for less, and changes nothing
		if err := s.Extend(t.Context(), "v1/x", want); err != nil {
			t.Fatal(err)
		}
		if err := s.Extend(t.Context(), "v1/x", p.until); err != nil {
			t.Fatal(err)
		}
		if lock, err := s.Lock(t.Context(), "v1/x"); err != nil || !lock.Until.Equal(later) {
			t.Errorf("lock %+v, %v; want until %s", lock, err, later)
		}
	}
	for _, on := range []bool{true, false} {
		if err := s.Hold(t.Context(), "v1/x", on); err != nil {
			t.Fatal(err)
		}
		if lock, err := s.Lock(t.Context(), "v1/x"); err != nil || lock.Hold != on {
			t.Errorf("lock %+v, %v; want hold %v", lock, err, on)
		}
	}
}

// An object that is put with a legal hold has it as soon as it is there, and its retention too.
func TestPutHeld(t *testing.T) {
	p := newPlace(t)
	s := p.open(t)
	if err := archive.Held(s).Put(t.Context(), "v1/x", strings.NewReader("x"), 1, p.until); err != nil {
		t.Fatal(err)
	}
	p.put(t, s, "v1/y", "y")
	for path, held := range map[string]bool{"v1/x": true, "v1/y": false} {
		if lock, err := s.Lock(t.Context(), path); err != nil || lock.Hold != held ||
			lock.Mode != archive.LockCompliance || !lock.Until.Equal(p.until) {
			t.Errorf("%s: lock %+v, %v; want hold %v", path, lock, err, held)
		}
	}
}

// More objects than a page of the server's holds.
func TestListIsPaged(t *testing.T) {
	p := newPlace(t)
	const n = 2300
	var g errgroup.Group
	g.SetLimit(8)
	for i := range n {
		g.Go(func() error {
			_, err := p.owner.PutObject(t.Context(), bucket, fmt.Sprintf("a/b/v1/%06d", i), strings.NewReader("x"), 1,
				minio.PutObjectOptions{})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	list, err := p.open(t).List(t.Context(), "v1/")
	if err != nil || len(list) != n {
		t.Fatalf("listed %d of %d, %v", len(list), n, err)
	}
	for i, o := range list {
		if want := fmt.Sprintf("v1/%06d", i); o.Path != want || o.Hidden != "" {
			t.Fatalf("%d is %+v, want %s", i, o, want)
		}
	}
}

// What the server refuses is said in words. The refusals come from the real server where it can be made to, else from
// an answer in S3's form.
func TestErrorsAreForPeople(t *testing.T) {
	p := newPlace(t)
	if err := p.owner.MakeBucket(t.Context(), "unlocked", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := p.AddUser(t.Context(), "stranger", "strangers-secret"); err != nil {
		t.Fatal(err)
	}
	answer := func(status int, code string) func(*s3.Options) {
		return p.through(t, func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>m</Message></Error>", code)
		})
	}
	as := func(access, secret string) func(*s3.Options) {
		return func(o *s3.Options) {
			o.Getenv = p.OptionsAs(access, secret).Getenv
		}
	}
	for _, test := range []struct {
		name, url string
		change    func(*s3.Options)
		want      string
	}{
		{"no bucket", "s3://nowhere", func(*s3.Options) {}, "there is no bucket nowhere"},
		{"no lock", "s3://unlocked", func(*s3.Options) {}, "no Object Lock"},
		{"not permitted", "s3://" + bucket, as("stranger", "strangers-secret"), "access denied"},
		{"unknown key", "s3://" + bucket, as("nobody", "secret-of-nobody"), "does not know this access key"},
		{"wrong secret", "s3://" + bucket, as(s3test.AccessKey, "wrong"), "the secret key"},
		{"expired", "s3://" + bucket, answer(400, "ExpiredToken"), "have expired"},
		{"clock", "s3://" + bucket, answer(403, "RequestTimeTooSkewed"), "clock differs"},
		{"overloaded", "s3://" + bucket, answer(503, "SlowDown"), "overloaded"},
		{"nobody there", "s3://" + bucket, func(o *s3.Options) { o.Endpoint = "http://127.0.0.1:1" },
			"does not answer"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := p.Options()
			test.change(&o)
			s, err := s3.Open(test.url, o)
			if err != nil {
				t.Fatal(err)
			}
			err = s.Put(t.Context(), "v1/x", strings.NewReader("x"), 1, p.until)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q in it", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret-of-nobody") {
				t.Error("the error tells a secret")
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, bad := range []string{"", "s3://", "s3:///x", "/x", "s3://b/../c", "s3://b//c",
		"s3://key:secret@b", "s3://b?x"} {
		if _, err := s3.Open(bad, s3.Options{}); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	for _, bad := range []string{"http://s3.example.com", "ftp://x", "s3.example.com", "https://",
		"https://user:pw@host", "https://host/path"} {
		if _, err := s3.Open("s3://b", s3.Options{Endpoint: bad}); err == nil {
			t.Errorf("endpoint %q was accepted", bad)
		}
	}
	if _, err := s3.Open("s3://b", s3.Options{Endpoint: "https://host", CAFile: "/nonexistent"}); err == nil {
		t.Error("a file of certificates that is not there was accepted")
	}
}

// AWS takes a delete marker for nothing, so that the condition lets a PUT through over what the marker covers;
// versitygw does not, and is made to look like it here. The object below is still the one that was first.
func TestPutOverDeleteMarker(t *testing.T) {
	p := newPlace(t)
	p.put(t, p.open(t), "v1/x", "genuine")
	if err := p.owner.RemoveObject(t.Context(), bucket, "a/b/v1/x", minio.RemoveObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	s := p.open(t, p.through(t, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method != http.MethodPut {
			next.ServeHTTP(w, r)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		info, err := p.owner.PutObject(r.Context(), bucket, "a/b/v1/x", strings.NewReader("second"), 6,
			minio.PutObjectOptions{})
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.Header().Set("X-Amz-Version-Id", info.VersionID)
	}))
	if err := s.Put(t.Context(), "v1/x", strings.NewReader("second"), 6, p.until); !errors.Is(err, archive.ErrExists) {
		t.Errorf("got %v, want ErrExists", err)
	}
	if got := read(t, s, "v1/x"); got != "genuine" {
		t.Errorf("read %q", got)
	}
}
