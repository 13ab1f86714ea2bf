package review

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/tenancy"
)

// Period is what a bundle is about. The zero To and AsOf are the newest seal.
type Period struct {
	From, To, AsOf time.Time
	Tenants        []string // slugs or ids; none: every clinic within reach, and the installation where it is
}

// Bundle is a bundle that was made.
type Bundle struct {
	Dir            string `json:"dir"`
	ManifestSHA256 string `json:"manifest_sha256"`
	RecordedAs     int64  `json:"recorded_as"` // the event that names the manifest's hash
	Manifest       `json:"manifest"`
}

// MakeEvidence writes the evidence of a period into the new directory dir: one CSV for each thing that is asked for,
// and their manifest. That it is taken out is recorded first, at each clinic in it; the manifest's hash is recorded
// before the directory appears under its name, which it does as a whole or not at all. progress (nil: nobody) is told
// of each list before it is written.
func MakeEvidence(ctx context.Context, s *tenancy.Session, p Period, dir string,
	progress func(name string, n, all int)) (*Bundle, error) {
	if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s exists: nothing was written", dir)
	}
	id := uuid.New()
	if err := beginEvidence(ctx, s, id, p); err != nil {
		return nil, err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), filepath.Base(dir)+".part-")
	if err != nil {
		return nil, fmt.Errorf("write evidence: %w", err)
	}
	defer os.RemoveAll(tmp)
	m, err := writeEvidence(ctx, s, id, tmp, progress)
	if err != nil {
		return nil, err
	}
	raw, err := m.marshal()
	if err != nil {
		return nil, err
	}
	if err := writeSynced(filepath.Join(tmp, ManifestName), raw); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(raw)
	b := &Bundle{Dir: dir, ManifestSHA256: hex.EncodeToString(sum[:]), Manifest: *m}
	err = s.Tx(ctx, uuid.Nil, func(tx tenancy.Tx) (err error) {
		b.RecordedAs, err = queries.New(tx).EvidenceEnd(ctx, queries.EvidenceEndParams{Bundle: id, Sha256: sum[:]})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("record evidence: %w", err)
	}
	return b, publish(tmp, dir)
}

func beginEvidence(ctx context.Context, s *tenancy.Session, id uuid.UUID, p Period) error {
	arg := queries.EvidenceBeginParams{Ask: id, Tenants: p.Tenants, FromAt: p.From}
	if !p.To.IsZero() {
		arg.ToAt = &p.To
	}
	if !p.AsOf.IsZero() {
		arg.AsOf = &p.AsOf
	}
	return s.Tx(ctx, uuid.Nil, func(tx tenancy.Tx) error {
		if err := queries.New(tx).EvidenceBegin(ctx, arg); err != nil {
			return fmt.Errorf("take out evidence: %w", err)
		}
		return nil
	})
}

// publish gives a finished directory its name.
func publish(tmp, dir string) error {
	if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s exists: nothing was written", dir)
	}
	if err := errors.Join(syncDir(tmp), os.Rename(tmp, dir), syncDir(filepath.Dir(dir))); err != nil {
		return fmt.Errorf("write evidence: %w", err)
	}
	return nil
}

func syncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err //nolint:wrapcheck // the caller says what for
	}
	return errors.Join(d.Sync(), d.Close())
}

func writeSynced(name string, data []byte) error {
	return create(name, func(w io.Writer) error {
		_, err := w.Write(data)
		return err //nolint:wrapcheck // create says what for
	})
}

// create makes a file that only its owner reads, and has it on disk when it returns.
func create(name string, write func(io.Writer) error) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write evidence: %w", err)
	}
	w := bufio.NewWriterSize(file, 64<<10)
	if err := errors.Join(write(w), w.Flush(), file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("write evidence: %w", err)
	}
	return nil
}

func writeEvidence(ctx context.Context, s *tenancy.Session, id uuid.UUID, dir string,
	progress func(string, int, int)) (*Manifest, error) {
	m := &Manifest{Format: manifestFormat}
	err := s.Tx(ctx, id, func(tx tenancy.Tx) error {
		raw, err := queries.New(tx).EvidenceScope(ctx)
		if err != nil {
			return fmt.Errorf("scope of the evidence: %w", err)
		}
		return json.Unmarshal(raw, &m.Scope)
	})
	if err != nil {
		return nil, err
	}
	for i := range EvidenceFiles {
		f := &EvidenceFiles[i]
		if progress != nil {
			progress(f.Name, i+1, len(EvidenceFiles))
		}
		entry, err := f.write(ctx, s, id, dir)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", f.Name, err)
		}
		entry.Note = f.note(&m.Scope, entry.Rows)
		m.Files = append(m.Files, *entry)
	}
	return m, nil
}

// write writes one list and says what it is.
func (f *EvidenceFile) write(ctx context.Context, s *tenancy.Session, id uuid.UUID, dir string) (*ManifestFile, error) {
	e := &ManifestFile{Name: f.Name + ".csv", Citation: f.Citation, Asks: f.Asks, Columns: f.Columns}
	hash, size := sha256.New(), new(counter)
	err := create(filepath.Join(dir, e.Name), func(w io.Writer) error {
		out := csv.NewWriter(io.MultiWriter(w, hash, size))
		if err := out.Write(f.Columns); err != nil {
			return err //nolint:wrapcheck // create says what for
		}
		put := func(cells []string) error {
			e.Rows++
			return out.Write(cells)
		}
		var err error
		switch {
		case f.static != nil:
			for _, row := range f.static {
				err = errors.Join(err, put(row))
			}
		case !f.absent:
			err = f.read(ctx, s, id, put)
		}
		out.Flush()
		return errors.Join(err, out.Error())
	})
	e.SHA256, e.Bytes = hex.EncodeToString(hash.Sum(nil)), int64(*size)
	return e, err
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// read takes the rows of a list from the database as they come. They are in a file under no name of its own until
// everything has committed.
func (f *EvidenceFile) read(ctx context.Context, s *tenancy.Session, id uuid.UUID, put func([]string) error) error {
	return s.Tx(ctx, id, func(tx tenancy.Tx) error {
		rows, err := tx.Query(ctx, queries.EvidenceRows, f.Name)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var raw []byte
			if err := rows.Scan(&raw); err != nil {
				return fmt.Errorf("read row: %w", err)
			}
			cells, err := f.cells(raw)
			if err != nil {
				return err
			}
			if err := put(cells); err != nil {
				return fmt.Errorf("write row: %w", err)
			}
		}
		return rows.Err()
	})
}

// cells are a row's values in the order of the columns. A row that has another set of fields is not written: its
// columns would say what is not in them.
func (f *EvidenceFile) cells(raw []byte) ([]string, error) {
	var row map[string]json.RawMessage
	if err := json.Unmarshal(raw, &row); err != nil {
		return nil, fmt.Errorf("decode row: %w", err)
	}
	if len(row) != len(f.Columns) {
		return nil, fmt.Errorf("a row has %d fields, the list %d columns", len(row), len(f.Columns))
	}
	cells := make([]string, len(f.Columns))
	for i, c := range f.Columns {
		v, ok := row[c]
		if !ok {
			return nil, fmt.Errorf("a row has no field %s", c)
		}
		var err error
		if cells[i], err = cell(v); err != nil {
			return nil, fmt.Errorf("field %s: %w", c, err)
		}
	}
	return cells, nil
}

// cell is a value as a spreadsheet may open it: a text that it would take for a formula gets an apostrophe in front.
// Numbers are numbers, also those below zero.
func cell(v json.RawMessage) (string, error) {
	switch {
	case bytes.Equal(v, []byte("null")):
		return "", nil
	case len(v) == 0 || v[0] != '"':
		return string(v), nil
	}
	var s string
	if err := json.Unmarshal(v, &s); err != nil {
		return "", fmt.Errorf("decode text: %w", err)
	}
	if s != "" && strings.ContainsRune("=+-@\t\r\n", rune(s[0])) {
		return "'" + s, nil
	}
	return s, nil
}
