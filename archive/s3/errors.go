package s3

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"

	"github.com/minio/minio-go/v7"
)

// advice is what to do about a refusal, by S3's error code. %s is the bucket.
var advice = map[string]string{
	"AccessDenied": "access denied: these credentials lack a permission on bucket %s; " +
		"docs/ADOPTING.md has the policies of the writer and of the auditor",
	"AllAccessDisabled": "bucket %s is closed to everybody: ask its owner",
	"NoSuchBucket": "there is no bucket %s: make it with Object Lock (docs/ADOPTING.md), " +
		"or correct the store's URL or region",
	"InvalidBucketName":            "%s is no name of a bucket: correct the store's URL",
	"PermanentRedirect":            "bucket %s is in another region: set s3 region",
	"AuthorizationHeaderMalformed": "bucket %s is in another region: set s3 region",
	"InvalidAccessKeyId": "the server of bucket %s does not know this access key: " +
		"check AWS_ACCESS_KEY_ID or the credentials file",
	"SignatureDoesNotMatch": "the secret key for bucket %s is not the access key's: " +
		"check AWS_SECRET_ACCESS_KEY",
	"ExpiredToken": "the credentials for bucket %s have expired: get new ones",
	"InvalidToken": "the session token for bucket %s is not valid: get new credentials",
	"RequestTimeTooSkewed": "this machine's clock differs by more than 15 minutes from that of " +
		"bucket %s: set it right (NTP)",
	"SlowDown":           "the server of bucket %s is overloaded and kept saying so: try again later",
	"ServiceUnavailable": "the server of bucket %s is overloaded and kept saying so: try again later",
	"ObjectLockConfigurationNotFoundError": "bucket %s has no Object Lock, so nothing in it is safe: " +
		"use one that has (docs/ADOPTING.md)",
	"InvalidBucketState": "bucket %s has no Object Lock or no versioning, so nothing in it is safe: " +
		"use one that has (docs/ADOPTING.md)",
	"NotImplemented": "the server of bucket %s cannot do what write-once storage needs: " +
		"ward archive doctor says what",
	"XAmzContentSHA256Mismatch": "the server of bucket %s received other bytes than were sent: try again, " +
		"and look at what is in between",
	"BadDigest": "the server of bucket %s received other bytes than were sent: try again, " +
		"and look at what is in between",
}

// Error is what S3 refused, in words for a person.
type Error struct {
	// Op and Path say what was tried.
	Op, Path string
	// Code is S3's own word, such as AccessDenied.
	Code string
	// Hint says what it means and what to do.
	Hint string
	Err  error
}

// Error says what happened and what to do. What it happened to, whoever asked for it says.
func (e *Error) Error() string { return e.Hint + " (" + e.Code + ")" }

// Unwrap gives S3's answer.
func (e *Error) Unwrap() error { return e.Err }

// explain turns an answer of the server into an error for a person. One about an object that is not there wraps
// fs.ErrNotExist.
func (s *Store) explain(op, path string, err error) error {
	var own *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	e := &Error{Op: op, Path: path, Err: err}
	answer := minio.ToErrorResponse(err)
	e.Code = answer.Code
	if e.Code == "NoSuchKey" || e.Code == "NoSuchVersion" {
		return fmt.Errorf("%w (%s)", fs.ErrNotExist, e.Code)
	}
	if text, ok := advice[e.Code]; ok {
		e.Hint = fmt.Sprintf(text, s.bucket)
		return e
	}
	if strings.Contains(answer.Message, "Object Lock") || strings.Contains(answer.Message, "ObjectLock") {
		e.Hint = fmt.Sprintf(advice["ObjectLockConfigurationNotFoundError"], s.bucket)
		return e
	}
	var unknown x509.UnknownAuthorityError
	var network net.Error
	switch {
	case errors.As(err, &unknown):
		e.Code, e.Hint = "TLS", "the server's certificate is signed by nobody this machine trusts: set s3 ca_file"
	case errors.As(err, &network):
		e.Code, e.Hint = "network",
			fmt.Sprintf("the server of bucket %s does not answer: check s3 endpoint, and that it runs: %v",
				s.bucket, err)
	default:
		return fmt.Errorf("bucket %s: %w", s.bucket, err)
	}
	return e
}
