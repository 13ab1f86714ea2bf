package s3_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/archive/s3"
)

// writerPolicy is the one of docs/ADOPTING.md, in the form that the test server knows.
const writerPolicy = `{"Version":"2012-10-17","Statement":[
 {"Effect":"Allow","Principal":{"AWS":["writer"]},
  "Action":["s3:ListBucket","s3:ListBucketVersions","s3:GetBucketVersioning","s3:GetBucketObjectLockConfiguration"],
  "Resource":"arn:aws:s3:::archive"},
 {"Effect":"Allow","Principal":{"AWS":["writer"]},
  "Action":["s3:PutObject","s3:PutObjectRetention","s3:PutObjectLegalHold","s3:GetObject","s3:GetObjectVersion",
    "s3:GetObjectRetention","s3:GetObjectLegalHold"],
  "Resource":"arn:aws:s3:::archive/*"}]}`

func examine(t *testing.T, s *s3.Store) map[string]archive.StoreCheck {
	t.Helper()
	list, err := archive.Examine(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	checks := map[string]archive.StoreCheck{}
	for _, c := range list {
		checks[c.Check] = c
	}
	return checks
}

func states(checks map[string]archive.StoreCheck, state string) []string {
	var list []string
	for _, c := range checks {
		if c.State == state {
			list = append(list, c.Check)
		}
	}
	slices.Sort(list)
	return list
}

// As the worker, whose policy gives it what it needs, nothing is amiss but that a plain PUT is accepted; as the
// bucket's owner the permissions that the worker ought not to have show.
func TestExamine(t *testing.T) {
	p := newPlace(t)
	if err := p.AddUser(t.Context(), "writer", "writers-secret"); err != nil {
		t.Fatal(err)
	}
	if err := p.owner.SetBucketPolicy(t.Context(), bucket, writerPolicy); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		s    *s3.Store
		warn []string
	}{
		{"writer", p.open(t, func(o *s3.Options) { o.Getenv = p.OptionsAs("writer", "writers-secret").Getenv }),
			[]string{"overwrite is refused"}},
		{"owner", p.open(t), []string{"credentials cannot bypass GOVERNANCE", "credentials cannot hide objects",
			"overwrite is refused"}},
	} {
		checks := examine(t, test.s)
		if len(checks) < 15 {
			t.Errorf("%s: only %d checks", test.name, len(checks))
		}
		if fail, warn := states(checks, archive.CheckFail), states(checks, archive.CheckWarn); len(fail) != 0 ||
			!slices.Equal(warn, test.warn) {
			t.Errorf("%s: fails %v, warns %v, want %v\n%+v", test.name, fail, warn, test.warn, checks)
		}
		if list, err := test.s.List(t.Context(), "v1/"); err != nil || len(list) != 0 {
			t.Errorf("%s: the archive itself was touched: %v, %v", test.name, list, err)
		}
	}
}

// Each thing that a server may get wrong is found: a proxy before the real server gets it wrong.
func TestExamineFinds(t *testing.T) {
	p := newPlace(t)
	if err := p.owner.MakeBucket(t.Context(), "unlocked", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	ok := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusOK)
	}
	isDelete := func(r *http.Request) bool { return r.Method == http.MethodDelete && r.URL.Query().Has("versionId") }
	isRetention := func(r *http.Request, word string) bool {
		if r.Method != http.MethodPut || !r.URL.Query().Has("retention") {
			return false
		}
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		return strings.Contains(string(body), word)
	}
	for _, test := range []struct {
		check string
		lie   func(w http.ResponseWriter, r *http.Request, next http.Handler) bool
	}{
		{"delete is refused", func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
			if bad := isDelete(r) && r.Header.Get("X-Amz-Bypass-Governance-Retention") == ""; bad {
				w.WriteHeader(http.StatusNoContent)
				return true
			}
			return false
		}},
		{"delete with bypass is refused", func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
			if bad := isDelete(r) && r.Header.Get("X-Amz-Bypass-Governance-Retention") != ""; bad {
				w.WriteHeader(http.StatusNoContent)
				return true
			}
			return false
		}},
		{"shorten is refused", func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
			if isRetention(r, "COMPLIANCE") {
				ok(w, r)
				return true
			}
			return false
		}},
		{"downgrade is refused", func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
			if isRetention(r, "GOVERNANCE") {
				ok(w, r)
				return true
			}
			return false
		}},
		{"If-None-Match is honoured", func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
			// another object, since the first has a checksum
			if r.Method == http.MethodPut && r.Header.Get("If-None-Match") == "*" &&
				r.Header.Get("X-Amz-Checksum-Sha256") == "" {
				ok(w, r)
				return true
			}
			return false
		}},
		{"it reads back", func(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
			if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/doctor/") ||
				r.URL.Query().Has("retention") {
				return false
			}
			rec := httptest.NewRecorder()
			next.ServeHTTP(rec, r)
			for k, v := range rec.Header() {
				w.Header()[k] = v
			}
			w.WriteHeader(rec.Code)
			body := rec.Body.Bytes()
			body[0] ^= 1
			_, _ = w.Write(body)
			return true
		}},
		{"clocks agree", func(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
			next.ServeHTTP(&lateHeader{ResponseWriter: w}, r)
			return true
		}},
	} {
		t.Run(test.check, func(t *testing.T) {
			s := p.open(t, p.through(t, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if !test.lie(w, r, next) {
					next.ServeHTTP(w, r)
				}
			}))
			if c := examine(t, s)[test.check]; c.State != archive.CheckFail {
				t.Errorf("got %+v, want a fail", c)
			}
		})
	}
	t.Run("no Object Lock", func(t *testing.T) {
		s, err := s3.Open("s3://unlocked", p.Options())
		if err != nil {
			t.Fatal(err)
		}
		if fail, want := states(examine(t, s), archive.CheckFail), "Object Lock is on"; !slices.Contains(fail, want) ||
			!slices.Contains(fail, "a locked object is accepted") {
			t.Errorf("fails %v, want %q among them", fail, want)
		}
	})
}

// lateHeader answers as a server whose clock stands.
type lateHeader struct{ http.ResponseWriter }

func (l *lateHeader) WriteHeader(code int) {
	l.Header().Set("Date", "Mon, 02 Jan 2006 15:04:05 GMT")
	l.ResponseWriter.WriteHeader(code)
}

// What verify says about an archive whose store was attacked, and about one that was never locked as was signed.
func TestVerifyOnS3(t *testing.T) {
	p := newPlace(t)
	key := "a/b/v1/region=eu/checkpoints/000000000001"
	signer := ship(t, p.open(t))
	verify := func(change ...func(*archive.VerifyOptions)) *archive.Report {
		t.Helper()
		o := archive.VerifyOptions{Keys: []archive.Key{signer.Key()}}
		for _, c := range change {
			c(&o)
		}
		r, err := archive.NewVerification(p.open(t), o).Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := verify(); r.Verdict != archive.Valid || r.Rows != 3 {
		t.Fatalf("untouched: %+v", r)
	}
	// the newest checkpoint is taken away: its version is still read, and that it was hidden shows
	if err := p.owner.RemoveObject(t.Context(), bucket, key, minio.RemoveObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	r := verify()
	if r.Verdict != archive.Invalid || r.Head.Size != 1 || !slices.ContainsFunc(r.Findings,
		func(f archive.Finding) bool { return f.Status == archive.Hidden && "a/b/"+f.Part == key }) {
		t.Errorf("hidden checkpoint: %s %+v", r.Verdict, r.Findings)
	}
}

// TestVerifyLocks copies an archive object by object into places that lock it less than was signed.
func TestVerifyLocks(t *testing.T) {
	p := newPlace(t)
	source := p.open(t)
	signer := ship(t, source)
	list, err := source.List(t.Context(), "v1/")
	if err != nil || len(list) != 3 {
		t.Fatalf("listed %v, %v", list, err)
	}
	for i, test := range []struct {
		options minio.PutObjectOptions
		want    string
	}{
		{minio.PutObjectOptions{}, archive.LockMissing},
		{minio.PutObjectOptions{Mode: minio.Governance, RetainUntilDate: p.until.AddDate(90, 0, 0)},
			archive.LockGovernance},
		{minio.PutObjectOptions{Mode: minio.Compliance, RetainUntilDate: p.until}, archive.LockShort},
	} {
		prefix := fmt.Sprintf("copy%d/", i)
		for _, o := range list {
			data := read(t, source, o.Path)
			if _, err := p.owner.PutObject(t.Context(), bucket, prefix+o.Path, strings.NewReader(data),
				int64(len(data)), test.options); err != nil {
				t.Fatal(err)
			}
		}
		s, err := s3.Open("s3://"+bucket+"/"+prefix, p.Options())
		if err != nil {
			t.Fatal(err)
		}
		for _, skip := range []bool{false, true} {
			r, err := archive.NewVerification(s,
				archive.VerifyOptions{Keys: []archive.Key{signer.Key()}, SkipLocks: skip}).Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			found := slices.ContainsFunc(r.Findings, func(f archive.Finding) bool { return f.Status == test.want })
			if skip && (r.Verdict != archive.Valid || len(r.Findings) > 0) ||
				!skip && (r.Verdict != archive.NotProven || !found) {
				t.Errorf("%s, skipped %v: %s %+v", test.want, skip, r.Verdict, r.Findings)
			}
		}
	}
}

// ship makes an archive of one part of three rows, to be kept for long.
func ship(t *testing.T, store archive.Store) *archive.Signer {
	t.Helper()
	text, _, err := archive.GenerateKey(archive.Origin("test", "eu"))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := archive.NewSigner(text)
	if err != nil {
		t.Fatal(err)
	}
	const tenant = "0a000000-0000-4000-8000-000000000001"
	rows, prev := make([]archive.Row, 3), archive.Genesis(tenant)
	for i := range rows {
		rows[i] = archive.Row{TenantID: tenant, Seq: int64(i) + 1, SealedAt: 1767225600000000 + int64(i),
			ActorKind: "human", Action: "view", Outcome: "ok", Source: "test"}
		rows[i].Hash = archive.RowHash(prev, &rows[i])
		prev = rows[i].Hash
	}
	log, err := archive.OpenLog(t.Context(), store, "eu", archive.Origin("test", "eu"), signer)
	if err != nil {
		t.Fatal(err)
	}
	_, err = log.Append(t.Context(), "2026-01", func(yield func(*archive.Row, error) bool) {
		for i := range rows {
			if !yield(&rows[i], nil) {
				return
			}
		}
	}, testRetain)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}
