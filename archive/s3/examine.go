package s3

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/ward-health/ward/archive"
)

// probePrefix is where Examine puts its objects: beside the archive's v1/, not in it.
const probePrefix = "doctor/"

// maxSkew is how far the clocks may be apart. S3 refuses at 15 minutes; a worker that is near that is about to fail.
const maxSkew = 5 * time.Minute

// probeRetention is how long a probe stays.
const probeRetention = 24 * time.Hour

// probe is one examination.
type probe struct {
	store   *Store
	path    string
	data    []byte
	version string
	until   time.Time
	checks  []archive.StoreCheck
}

// Examine tries whether the server, the bucket and these credentials keep what is locked: it writes an object as the
// archive does, reads it back, and then tries everything that must fail. Run it with the worker's credentials.
func (s *Store) Examine(ctx context.Context) ([]archive.StoreCheck, error) {
	id := rand.Text()
	p := &probe{store: s, path: probePrefix + s.now().UTC().Format("20060102T150405Z-") + id,
		data:  []byte("ward archive doctor " + id + "\n"),
		until: s.now().Add(probeRetention).UTC().Truncate(time.Second)}
	if err := p.bucket(ctx); err != nil {
		return nil, err
	}
	if !p.write(ctx) {
		return p.checks, nil
	}
	p.readBack(ctx)
	p.refusals(ctx)
	p.overlay(ctx)
	p.permissions(ctx)
	return p.checks, ctx.Err()
}

func (p *probe) add(check, state, format string, args ...any) {
	p.checks = append(p.checks, archive.StoreCheck{Check: check, State: state, Detail: fmt.Sprintf(format, args...)})
}

// bucket asks how the bucket is set up. Only that nothing answers at all is an error.
func (p *probe) bucket(ctx context.Context) error {
	s := p.store
	v, err := s.client.GetBucketVersioning(ctx, s.bucket)
	switch code := minio.ToErrorResponse(err).Code; {
	case err != nil && code != "AccessDenied" && code != "NotImplemented":
		return fmt.Errorf("examining %s: %w", s, s.explain("examining", "", err))
	case err != nil:
		p.add("versions are kept", archive.CheckWarn, "these credentials may not ask (s3:GetBucketVersioning)")
	case !v.Enabled():
		p.add("versions are kept", archive.CheckFail,
			"versioning of bucket %s is %q: an overwrite would destroy; turn it on", s.bucket, firstOf(v.Status, "off"))
	default:
		p.add("versions are kept", archive.CheckOK, "versioning is on")
	}
	lock, _, _, _, err := s.client.GetObjectLockConfig(ctx, s.bucket)
	switch {
	case err != nil && minio.ToErrorResponse(err).Code == "AccessDenied":
		p.add("Object Lock is on", archive.CheckWarn,
			"these credentials may not ask (s3:GetBucketObjectLockConfiguration)")
	case err != nil || lock != "Enabled":
		p.add("Object Lock is on", archive.CheckFail,
			"bucket %s has none: make a bucket with Object Lock (docs/ADOPTING.md)", s.bucket)
	default:
		p.add("Object Lock is on", archive.CheckOK, "enabled")
	}
	return nil
}

// write puts the probe as every object of the archive is put.
func (p *probe) write(ctx context.Context) bool {
	err := p.store.Put(ctx, p.path, bytes.NewReader(p.data), int64(len(p.data)), p.until)
	if err != nil {
		p.add("a locked object is accepted", archive.CheckFail, "%v", p.store.explain("storing", p.path, err))
		return false
	}
	at, _ := p.store.pinned(p.path)
	p.version = at.version
	p.add("a locked object is accepted", archive.CheckOK, "%s, version %s", p.path, p.version)
	return true
}

// readBack reads the probe by its version: bytes, lock and clock.
func (p *probe) readBack(ctx context.Context) {
	s := p.store
	sent := s.now()
	body, _, header, err := s.client.GetObject(ctx, s.bucket, s.key(p.path),
		minio.GetObjectOptions{VersionID: p.version})
	var data []byte
	if err == nil {
		defer body.Close()
		data, err = io.ReadAll(io.LimitReader(body, 1<<20))
	}
	switch {
	case err != nil:
		p.add("it reads back", archive.CheckFail, "%v", s.explain("reading", p.path, err))
		return
	case sha256.Sum256(data) != sha256.Sum256(p.data):
		p.add("it reads back", archive.CheckFail, "%d bytes came back that are not those that were stored", len(data))
	default:
		p.add("it reads back", archive.CheckOK, "byte for byte, by version id")
	}
	lock, err := s.lockOfVersion(ctx, p.path, p.version)
	switch {
	case err != nil:
		p.add("its lock is reported", archive.CheckWarn, "%v", err)
	case lock.Mode != archive.LockCompliance || lock.Until.Before(p.until):
		p.add("its lock is reported", archive.CheckFail, "asked for COMPLIANCE until %s, got %q until %s",
			p.until.Format(time.RFC3339), lock.Mode, lock.Until.Format(time.RFC3339))
	default:
		p.add("its lock is reported", archive.CheckOK, "COMPLIANCE until %s", lock.Until.Format(time.RFC3339))
	}
	p.clock(header, sent)
}

func (p *probe) clock(header http.Header, sent time.Time) {
	at, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		p.add("clocks agree", archive.CheckWarn, "the server does not say what time it is")
		return
	}
	skew := at.Sub(sent).Abs().Round(time.Second)
	if skew > maxSkew {
		p.add("clocks agree", archive.CheckFail,
			"%s apart: set this machine's clock right (NTP); S3 refuses requests at 15 minutes", skew)
		return
	}
	p.add("clocks agree", archive.CheckOK, "to %s", max(skew, time.Second))
}

// refusals tries to be rid of the probe in every way there is.
func (p *probe) refusals(ctx context.Context) {
	s, key, version := p.store, p.store.key(p.path), p.version
	compliance, governance := minio.Compliance, minio.Governance
	sooner := p.until.Add(-probeRetention / 2)
	retention := func(o minio.PutObjectRetentionOptions) func() error {
		o.VersionID, o.GovernanceBypass = version, true
		return func() error { return s.client.PutObjectRetention(ctx, s.bucket, key, o) }
	}
	for _, try := range []struct {
		check string
		do    func() error
	}{
		{"delete is refused", func() error {
			return s.client.RemoveObject(ctx, s.bucket, key, minio.RemoveObjectOptions{VersionID: version})
		}},
		{"delete with bypass is refused", func() error {
			return s.client.RemoveObject(ctx, s.bucket, key,
				minio.RemoveObjectOptions{VersionID: version, GovernanceBypass: true})
		}},
		{"shorten is refused", retention(minio.PutObjectRetentionOptions{Mode: &compliance, RetainUntilDate: &sooner})},
		{"downgrade is refused",
			retention(minio.PutObjectRetentionOptions{Mode: &governance, RetainUntilDate: &p.until})},
		{"removing the lock is refused", retention(minio.PutObjectRetentionOptions{})},
	} {
		err := try.do()
		switch {
		case err == nil:
			p.add(try.check, archive.CheckFail,
				"it was ALLOWED: this server or bucket does not keep what is locked; do not use it")
		case minio.ToErrorResponse(err).StatusCode < 400 || minio.ToErrorResponse(err).StatusCode >= 500:
			p.add(try.check, archive.CheckFail, "no answer to rely on: %v", s.explain("trying", p.path, err))
		default:
			p.add(try.check, archive.CheckOK, "%s", minio.ToErrorResponse(err).Code)
		}
	}
	p.intact(ctx, "and nothing was changed by trying")
}

// intact checks that the first version still stands there, with its bytes and its lock.
func (p *probe) intact(ctx context.Context, check string) {
	s := p.store
	b := s.blob(ctx, p.path, pin{p.version, int64(len(p.data))})
	data := make([]byte, len(p.data))
	_, err := b.ReadAt(data, 0)
	if err != nil || !bytes.Equal(data, p.data) {
		p.add(check, archive.CheckFail, "the version that was written is not there any more: %v", err)
		return
	}
	if lock, known := b.Lock(); known && (lock.Mode != archive.LockCompliance || lock.Until.Before(p.until)) {
		p.add(check, archive.CheckFail, "the lock is now %s until %s", lock.Mode, lock.Until.Format(time.RFC3339))
		return
	}
	p.add(check, archive.CheckOK, "first version and lock are as they were")
}

// overlay tries to put something over the probe: with the condition it must fail; without it the first version must
// stay.
func (p *probe) overlay(ctx context.Context) {
	s, other := p.store, []byte("another object\n")
	put := func(conditional bool) error {
		up, err := newUpload(bytes.NewReader(other), int64(len(other)))
		if err != nil {
			return err
		}
		opts := minio.PutObjectOptions{Mode: minio.Compliance, RetainUntilDate: p.until}
		if conditional {
			opts.SetMatchETagExcept("*")
		}
		_, err = s.client.PutObject(ctx, s.bucket, s.key(p.path), bytes.NewReader(other), int64(len(other)),
			up.md5, "", opts)
		return err
	}
	err := put(true)
	switch code := minio.ToErrorResponse(err).Code; {
	case err == nil:
		p.add("If-None-Match is honoured", archive.CheckFail,
			"a second object was accepted at a path that is taken: two workers could write one part")
	case code != "PreconditionFailed":
		p.add("If-None-Match is honoured", archive.CheckFail, "want PreconditionFailed, got %v",
			s.explain("storing", p.path, err))
	default:
		p.add("If-None-Match is honoured", archive.CheckOK, "PreconditionFailed")
	}
	if err = put(false); err != nil {
		p.add("overwrite is refused", archive.CheckOK, "%s", minio.ToErrorResponse(err).Code)
		return
	}
	first, err := s.first(ctx, p.path)
	if err != nil || first.Version != p.version || first.Hidden == "" {
		p.add("overwrite is refused", archive.CheckFail,
			"it was allowed, and a listing does not show the first version below it: %v", err)
		return
	}
	p.add("overwrite is refused", archive.CheckWarn, "a later version is accepted without If-None-Match; "+
		"the first one stays, and verify says HIDDEN. A bucket policy can refuse it (docs/ADOPTING.md)")
	p.intact(ctx, "the first version outlives it")
}

// permissions tries what the credentials may do to objects that no COMPLIANCE lock protects.
func (p *probe) permissions(ctx context.Context) {
	s := p.store
	path := p.path + "-governance"
	up, err := newUpload(bytes.NewReader(p.data), int64(len(p.data)))
	if err != nil {
		p.add("credentials cannot bypass GOVERNANCE", archive.CheckWarn, "not tried: %v", err)
		return
	}
	opts := minio.PutObjectOptions{Mode: minio.Governance, RetainUntilDate: p.until}
	info, err := s.client.PutObject(ctx, s.bucket, s.key(path), bytes.NewReader(p.data), int64(len(p.data)),
		up.md5, "", opts)
	switch {
	case err != nil:
		p.add("credentials cannot bypass GOVERNANCE", archive.CheckOK, "nothing but COMPLIANCE is accepted (%s)",
			minio.ToErrorResponse(err).Code)
	case s.client.RemoveObject(ctx, s.bucket, s.key(path),
		minio.RemoveObjectOptions{VersionID: info.VersionID, GovernanceBypass: true}) == nil:
		p.add("credentials cannot bypass GOVERNANCE", archive.CheckWarn,
			"they can, and delete versions: the worker needs neither s3:BypassGovernanceRetention nor "+
				"s3:DeleteObjectVersion. What is in COMPLIANCE is safe from them")
	default:
		p.add("credentials cannot bypass GOVERNANCE", archive.CheckOK, "refused")
	}
	if err := s.client.RemoveObject(ctx, s.bucket, s.key(p.path), minio.RemoveObjectOptions{}); err != nil {
		p.add("credentials cannot hide objects", archive.CheckOK, "%s", minio.ToErrorResponse(err).Code)
		return
	}
	p.add("credentials cannot hide objects", archive.CheckWarn, "they can put delete markers: "+
		"the worker does not need s3:DeleteObject. Nothing is lost, and verify says HIDDEN")
	p.intact(ctx, "the first version outlives that too")
}
