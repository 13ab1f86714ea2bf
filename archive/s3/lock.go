package s3

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/ward-health/ward/archive"
)

// Lock asks what holds an object's first version.
func (s *Store) Lock(ctx context.Context, path string) (archive.Lock, error) {
	p, err := s.pinOf(ctx, path)
	if err != nil {
		return archive.Lock{}, err
	}
	return s.lockOfVersion(ctx, path, p.version)
}

func (s *Store) lockOfVersion(ctx context.Context, path, version string) (archive.Lock, error) {
	info, err := s.client.StatObject(ctx, s.bucket, s.key(path), minio.StatObjectOptions{VersionID: version})
	if err != nil {
		return archive.Lock{}, s.explain("asking about", path, err)
	}
	if lock, known := lockOf(info.Metadata); known {
		return lock, nil
	}
	// HEAD leaves the lock out where there is none and where the credentials may not know. This says which.
	return s.askLock(ctx, path, version)
}

// retention is the answer about a lock. The name of its outermost element is not looked at: versitygw has one of its
// own, which minio-go refuses.
type retention struct {
	Code            string    // of an error
	Mode            string    `xml:"Mode"`
	RetainUntilDate time.Time `xml:"RetainUntilDate"`
}

// askLock asks for the lock in a request of its own.
func (s *Store) askLock(ctx context.Context, path, version string) (archive.Lock, error) {
	query := url.Values{"retention": {""}, "versionId": {version}}
	signed, err := s.client.Presign(ctx, http.MethodGet, s.bucket, s.key(path), time.Minute, query)
	if err != nil {
		return archive.Lock{}, s.explain("asking for the lock of", path, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, signed.String(), nil)
	if err != nil {
		return archive.Lock{}, fmt.Errorf("asking for the lock of %s: %w", path, err)
	}
	resp, err := s.plain.Do(req)
	if err != nil {
		// err holds the signature
		return archive.Lock{},
			fmt.Errorf("%w: asking for the lock of %s: the server does not answer", archive.ErrLockUnknown, path)
	}
	defer resp.Body.Close()
	var r retention
	if err := xml.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&r); err != nil {
		return archive.Lock{}, fmt.Errorf("%w: asking for the lock of %s: %w", archive.ErrLockUnknown, path, err)
	}
	switch {
	case r.Code == "NoSuchObjectLockConfiguration" || r.Code == "ObjectLockConfigurationNotFoundError" ||
		r.Code == "InvalidRequest":
		return archive.Lock{}, nil
	case r.Code != "" || r.Mode == "":
		return archive.Lock{},
			fmt.Errorf("%w: asking for the lock of %s: %s", archive.ErrLockUnknown, path, firstOf(r.Code, resp.Status))
	}
	return archive.Lock{Mode: r.Mode, Until: r.RetainUntilDate}, nil
}

// Extend locks an object's first version until a later time.
func (s *Store) Extend(ctx context.Context, path string, until time.Time) error {
	p, err := s.pinOf(ctx, path)
	if err != nil {
		return err
	}
	lock, err := s.lockOfVersion(ctx, path, p.version)
	if err != nil {
		return err
	}
	until = until.UTC().Truncate(time.Second)
	if lock.Mode == archive.LockCompliance && !lock.Until.Before(until) {
		return nil
	}
	mode := minio.Compliance
	err = s.client.PutObjectRetention(ctx, s.bucket, s.key(path),
		minio.PutObjectRetentionOptions{Mode: &mode, RetainUntilDate: &until, VersionID: p.version})
	if err != nil {
		return s.explain("extending the lock of", path, err)
	}
	return nil
}

// Hold places a legal hold on an object's first version, or lifts it.
func (s *Store) Hold(ctx context.Context, path string, on bool) error {
	p, err := s.pinOf(ctx, path)
	if err != nil {
		return err
	}
	status := minio.LegalHoldDisabled
	if on {
		status = minio.LegalHoldEnabled
	}
	err = s.client.PutObjectLegalHold(ctx, s.bucket, s.key(path),
		minio.PutObjectLegalHoldOptions{VersionID: p.version, Status: &status})
	if err != nil {
		return s.explain("placing a legal hold on", path, err)
	}
	return nil
}
