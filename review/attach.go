package review

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/tenancy"
)

// MaxFile is how large an attached file may be, in bytes; an anomaly has at most MaxFiles.
const (
	MaxFile  = 5 << 20
	MaxFiles = 20
)

// File is a file attached to an anomaly. Its contents may be anything, PHI too: nothing searches them.
type File struct {
	SHA256 string    `json:"sha256"`
	Name   string    `json:"name"`
	Bytes  int       `json:"bytes"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
}

// Attach attaches a file (at most MaxFile bytes) to an anomaly; the database keeps it and its SHA-256. Like a note it
// needs no claim and changes no version.
func Attach(ctx context.Context, s *tenancy.Session, anomaly, name string, content []byte) (Changed, error) {
	if len(content) > MaxFile {
		return Changed{}, fmt.Errorf("attach to anomaly %s: a file has at most %d bytes, this one has %d", anomaly,
			MaxFile, len(content))
	}
	return change(ctx, s, "attach to", anomaly, func(q *queries.Queries) (json.RawMessage, error) {
		return q.Attach(ctx, queries.AttachParams{Anomaly: anomaly, Name: name, Content: content})
	})
}

// Attachment is a file with its contents.
type Attachment struct {
	Name    string
	SHA256  string // lower-case hexadecimal; the contents have been held against it
	Content []byte
}

// OpenAttachment records that a file (the first characters of its SHA-256) is read, and returns it.
func OpenAttachment(ctx context.Context, s *tenancy.Session, anomaly, file string) (Attachment, error) {
	var out Attachment
	err := s.Look(ctx, func(tx tenancy.Tx, id uuid.UUID) error {
		if err := queries.New(tx).OpenAttachment(ctx,
			queries.OpenAttachmentParams{Ask: id, Anomaly: anomaly, File: file}); err != nil {
			return fmt.Errorf("open a file of anomaly %s: %w", anomaly, err)
		}
		return nil
	}, func(tx tenancy.Tx) error {
		row, err := queries.New(tx).AttachmentOpened(ctx)
		if err != nil {
			return fmt.Errorf("read a file of anomaly %s: %w", anomaly, err)
		}
		if sum := sha256.Sum256(row.Content); hex.EncodeToString(sum[:]) != row.Sha256 {
			return fmt.Errorf("the file %s of anomaly %s is not what was attached", row.Sha256, anomaly)
		}
		out = Attachment{Name: row.Name, SHA256: row.Sha256, Content: row.Content}
		return nil
	})
	return out, err
}
