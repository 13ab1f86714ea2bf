package s3

import (
	"context"
	"fmt"
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
	// HEAD leaves the lock out both where there is none and where the credentials may not know. This request says which.
	_, _, err = s.client.GetObjectRetention(ctx, s.bucket, s.key(path), version)
	switch minio.ToErrorResponse(err).Code {
	case "NoSuchObjectLockConfiguration", "InvalidRequest", "ObjectLockConfigurationNotFoundError":
		return archive.Lock{}, nil
	}
	if err == nil {
		return archive.Lock{}, fmt.Errorf("%s: %w", path, archive.ErrLockUnknown)
	}
	return archive.Lock{}, fmt.Errorf("%w: %w", archive.ErrLockUnknown, s.explain("asking for the lock of", path, err))
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
	err = s.client.PutObjectRetention(ctx, s.bucket, s.key(path), minio.PutObjectRetentionOptions{Mode: &mode, RetainUntilDate: &until, VersionID: p.version})
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
	err = s.client.PutObjectLegalHold(ctx, s.bucket, s.key(path), minio.PutObjectLegalHoldOptions{VersionID: p.version, Status: &status})
	if err != nil {
		return s.explain("placing a legal hold on", path, err)
	}
	return nil
}
