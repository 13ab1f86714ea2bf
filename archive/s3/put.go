package s3

import (
	"bytes"
	"context"
	"crypto/md5" // Content-MD5, which S3 wants beside a lock
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http/httptrace"
	"os"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/ward-health/ward/archive"
)

// maxPut is the most that one PUT may carry. There is no other way: minio-go's Client.PutObject sends what exceeds 16
// MiB in parts, and the request that completes them drops If-None-Match, so that it would put a second version over an
// object that exists. Core.PutObject always sends one PUT.
const maxPut = 5 << 30

// leastRetention is how long an object is kept whose retention is over already, such as a month that is shipped years
// late: S3 takes no date in the past, and an object without a lock is not to be.
const leastRetention = 24 * time.Hour

// Put creates an object, locked in COMPLIANCE mode until retainUntil, with one request. The request is sent again when
// its answer is lost or the server is busy; that it was our own object which a repeated request met is success only
// where every byte of it is ours.
func (s *Store) Put(ctx context.Context, path string, data io.Reader, size int64, retainUntil time.Time) error {
	return s.put(ctx, path, data, size, retainUntil, "")
}

// PutHeld is Put of an object that has a legal hold from the same request on.
func (s *Store) PutHeld(ctx context.Context, path string, data io.Reader, size int64, retainUntil time.Time) error {
	return s.put(ctx, path, data, size, retainUntil, minio.LegalHoldEnabled)
}

func (s *Store) put(ctx context.Context, path string, data io.Reader, size int64, retainUntil time.Time,
	hold minio.LegalHoldStatus) error {
	if err := validatePath(path); err != nil {
		return err
	}
	if size < 0 || size > maxPut {
		return fmt.Errorf("%d bytes are more than one S3 object can take at once (5 GiB)", size)
	}
	body, done, err := rewindable(data)
	if err != nil {
		return err
	}
	defer done()
	up, err := newUpload(body, size)
	if err != nil {
		return err
	}
	if least := s.now().Add(leastRetention); retainUntil.Before(least) {
		retainUntil = least
	}
	opts := minio.PutObjectOptions{
		ContentType: "application/octet-stream", Mode: minio.Compliance, RetainUntilDate: retainUntil, LegalHold: hold,
		UserMetadata: map[string]string{"x-amz-checksum-sha256": base64.StdEncoding.EncodeToString(up.sum[:])},
	}
	opts.SetMatchETagExcept("*")
	version, err := s.send(ctx, path, up, opts)
	if err != nil {
		return err
	}
	// A delete marker satisfies If-None-Match: what it covers was there before us.
	first, err := s.first(ctx, path)
	if err != nil {
		return err
	}
	if first.Version != version {
		return fmt.Errorf("%w: an older version stands below a delete marker", archive.ErrExists)
	}
	return nil
}

// send makes the request and returns the version it made.
func (s *Store) send(ctx context.Context, path string, up *upload, opts minio.PutObjectOptions) (string, error) {
	var sent atomic.Int32
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Add(1) }})
	for try := 1; ; try++ {
		if _, err := up.body.Seek(up.start, io.SeekStart); err != nil {
			return "", fmt.Errorf("reading what is to be stored: %w", err)
		}
		section := io.NewSectionReader(up.at, up.start, up.size)
		info, err := s.client.PutObject(traced, s.bucket, s.key(path), section, up.size, up.md5,
			hex.EncodeToString(up.sum[:]), opts)
		code := minio.ToErrorResponse(err).Code
		switch {
		case err == nil && info.VersionID == "":
			return "", errNoVersions(s.bucket)
		case err == nil:
			return info.VersionID, nil
		case code == "ConditionalRequestConflict" || code == "OperationAborted":
			// another PUT of this key was under way
			if try < attempts && pause(ctx, try) {
				continue
			}
		case code == "PreconditionFailed" && sent.Load() > 1:
			return s.ours(ctx, path, up)
		case code == "PreconditionFailed":
			return "", archive.ErrExists
		}
		return "", s.explain("storing", path, err)
	}
}

// ours looks whether the object that a repeated request met is the one that the first request made.
func (s *Store) ours(ctx context.Context, path string, up *upload) (string, error) {
	first, err := s.first(ctx, path)
	if err != nil {
		return "", err
	}
	if first.Size != up.size {
		return "", archive.ErrExists
	}
	b := s.blob(ctx, path, pin{first.Version, first.Size})
	stream, err := b.Stream()
	if err != nil {
		return "", err
	}
	defer stream.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, stream); err != nil {
		return "", err
	}
	if !bytes.Equal(sum.Sum(nil), up.sum[:]) {
		return "", archive.ErrExists
	}
	if lock, known := b.Lock(); known && lock.Mode != archive.LockCompliance {
		return "", archive.ErrExists // the same bytes, but not from us
	}
	return first.Version, nil
}

// upload is what a PUT sends, more than once if need be.
type upload struct {
	body        io.ReadSeeker
	at          io.ReaderAt
	start, size int64
	sum         [sha256.Size]byte
	md5         string
}

// readSeekerAt can be sent again.
type readSeekerAt interface {
	io.ReadSeeker
	io.ReaderAt
}

// rewindable returns data in a form that can be read again.
func rewindable(data io.Reader) (readSeekerAt, func(), error) {
	if r, ok := data.(readSeekerAt); ok {
		return r, func() {}, nil
	}
	f, err := os.CreateTemp("", "ward-put-*")
	if err != nil {
		return nil, nil, fmt.Errorf("making a temporary file: %w", err)
	}
	done := func() { f.Close(); os.Remove(f.Name()) }
	_, err = io.Copy(f, data)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		done()
		return nil, nil, fmt.Errorf("copying what is to be stored: %w", err)
	}
	return f, done, nil
}

// newUpload hashes what is to be sent.
func newUpload(body readSeekerAt, size int64) (*upload, error) {
	start, err := body.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, fmt.Errorf("reading what is to be stored: %w", err)
	}
	sum, old := sha256.New(), md5.New()
	n, err := io.Copy(io.MultiWriter(sum, old), body)
	if err != nil {
		return nil, fmt.Errorf("reading what is to be stored: %w", err)
	}
	if n != size {
		return nil, fmt.Errorf("got %d bytes of %d", n, size)
	}
	return &upload{body: body, at: body, start: start, size: size, sum: [sha256.Size]byte(sum.Sum(nil)),
		md5: base64.StdEncoding.EncodeToString(old.Sum(nil))}, nil
}

// pause waits before another attempt, longer each time; false: ctx ended.
func pause(ctx context.Context, try int) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(time.Duration(try*try) * 50 * time.Millisecond):
		return true
	}
}

func errNoVersions(bucket string) error {
	return fmt.Errorf("bucket %s keeps no versions, so nothing in it is safe: it has to be made with Object Lock; "+
		"see docs/ADOPTING.md", bucket)
}

var errPath = errors.New("invalid path")
