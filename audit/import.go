package audit

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/tenancy"
)

// Import is history of another system that is to be imported into a clinic.
type Import struct {
	Path   string // a file, which is read twice
	Format string // FormFHIR or FormCSV
	Tenant string // slug or id
	System string // short name of the other system
	Reason string
	// Actors maps the other system's names for people to users. Who is not in it is looked for under their own name, as
	// a short name or user id.
	Actors map[string]string
	// KeepUnknown imports events of people who are no users of the clinic as nobody's, with the other system's name for
	// them in the detail.
	KeepUnknown bool
	DryRun      bool
	// Progress (nil: nobody) is told how many events are through, of how many.
	Progress func(done, all int)
	// Now bounds the events' times.
	Now time.Time
}

// Imported is what an import found and did.
type Imported struct {
	Import          uuid.UUID `json:"import"`
	EventID         int64     `json:"event_id"` // of the import; 0 where it did not come so far
	Tenant          string    `json:"tenant"`
	System          string    `json:"system"`
	Format          string    `json:"format"`
	DryRun          bool      `json:"dry_run"`
	Events          int       `json:"events"` // in the file
	Added           int       `json:"added"`
	AlreadyImported int       `json:"already_imported"` // imported before, hence not again
	// where it went on: how far an earlier import of the same file came
	AfterLine     int64      `json:"after_line"`
	First         *time.Time `json:"first"`
	Last          *time.Time `json:"last"`
	Bad           []BadLine  `json:"bad"` // the first hundred
	BadLines      int        `json:"bad_lines"`
	UnknownActors []string   `json:"unknown_actors"` // the first hundred
	Unknown       int        `json:"unknown"`
}

// BadLine is a line that cannot be imported, without what it says.
type BadLine struct {
	Line int64  `json:"line"`
	Why  string `json:"why"`
}

// Refused says that something stood in the way, so that nothing was imported.
func (r *Imported) Refused(keepUnknown bool) bool {
	return r.BadLines > 0 || r.Unknown > 0 && !keepUnknown
}

const (
	shownBad      = 100
	mostActors    = 100_000
	importBatch   = 1000
	actorsAtATime = 5000
)

// Run reads the whole file first: where a line is bad, or (unless KeepUnknown) an actor unknown, nothing is imported
// and the report says which. Then it imports in batches, each with its checkpoint; one that was interrupted goes on
// where it was when it is run again, and what was imported before adds nothing. The import is recorded first. Memory is
// bounded by a batch, the names of actors, and 1 MiB a line.
func (m *Import) Run(ctx context.Context, s *tenancy.Session) (*Imported, error) {
	parse, err := m.parser()
	if err != nil {
		return nil, err
	}
	r := &Imported{Import: uuid.New(), Tenant: m.Tenant, System: m.System, Format: m.Format, DryRun: m.DryRun,
		Bad: []BadLine{}, UnknownActors: []string{}}
	sum, actors, err := m.examine(ctx, parse, r)
	if err != nil || r.BadLines > 0 || r.Events == 0 {
		return r, err
	}
	begun, err := m.begin(ctx, s, r.Import, sum)
	if err != nil {
		return r, err
	}
	r.EventID, r.AfterLine = begun.EventID, begun.UptoLine
	users, err := m.users(ctx, s, r, actors)
	if err != nil || r.Refused(m.KeepUnknown) || m.DryRun {
		return r, err
	}
	return r, m.load(ctx, s, parse, r, sum, users)
}

type parser func(r io.Reader, each func(line int64, f *Foreign, wrong error) error) error

func (m *Import) parser() (parser, error) {
	switch m.Format {
	case FormFHIR:
		return parseFHIR, nil
	case FormCSV:
		return parseCSV, nil
	}
	return nil, fmt.Errorf("nothing is imported from %q: fhir or csv", m.Format)
}

// examine reads the file once: what is wrong with it, who is in it, and what it is.
func (m *Import) examine(ctx context.Context, parse parser,
	r *Imported) (sum [32]byte, actors map[string]bool, err error) {
	actors = map[string]bool{}
	sum, err = m.read(ctx, parse, func(line int64, f *Foreign, wrong error) error {
		if wrong == nil {
			wrong = f.check(m.Now)
		}
		if wrong != nil {
			if r.BadLines++; r.BadLines <= shownBad {
				r.Bad = append(r.Bad, BadLine{line, wrong.Error()})
			}
			return nil
		}
		r.Events++
		if r.First == nil || f.At.Before(*r.First) {
			r.First = &f.At
		}
		if r.Last == nil || f.At.After(*r.Last) {
			r.Last = &f.At
		}
		if actors[f.Actor] = true; len(actors) > mostActors {
			return fmt.Errorf("it names more than %d people: import it in pieces", mostActors)
		}
		return nil
	})
	delete(actors, "")
	return sum, actors, err
}

// read parses the file and returns its SHA-256.
func (m *Import) read(ctx context.Context, parse parser,
	each func(line int64, f *Foreign, wrong error) error) (sum [32]byte, err error) {
	file, err := os.Open(m.Path)
	if err != nil {
		return sum, fmt.Errorf("import: %w", err)
	}
	defer file.Close()
	hash := sha256.New()
	in := io.TeeReader(file, hash)
	if err := parse(in, func(line int64, f *Foreign, wrong error) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return each(line, f, wrong)
	}); err != nil {
		return sum, fmt.Errorf("import %s: %w", m.Path, err)
	}
	if _, err := io.Copy(io.Discard, in); err != nil {
		return sum, fmt.Errorf("import %s: %w", m.Path, err)
	}
	return [32]byte(hash.Sum(nil)), nil
}

type begun struct {
	EventID  int64 `json:"event_id"`
	UptoLine int64 `json:"upto_line"`
}

// begin records the import. With DryRun it is recorded as a trial.
func (m *Import) begin(ctx context.Context, s *tenancy.Session, id uuid.UUID, sum [32]byte) (b begun, err error) {
	err = s.Tx(ctx, uuid.Nil, func(tx tenancy.Tx) error {
		raw, err := queries.New(tx).ImportBegin(ctx, queries.ImportBeginParams{Import: id, Tenant: m.Tenant,
			System: m.System, File: sum[:], Reason: m.Reason, DryRun: m.DryRun})
		if err != nil {
			return fmt.Errorf("import into %s: %w", m.Tenant, err)
		}
		return json.Unmarshal(raw, &b)
	})
	return b, err
}

// users finds out who the actors are, under the event of the import.
func (m *Import) users(ctx context.Context, s *tenancy.Session, r *Imported,
	actors map[string]bool) (map[string]string, error) {
	names := make([]string, 0, len(actors))
	for a := range actors {
		names = append(names, a)
	}
	sort.Strings(names)
	ask := make([]string, len(names))
	for i, a := range names {
		if ask[i] = m.Actors[a]; ask[i] == "" {
			ask[i] = a
		}
	}
	users := map[string]string{}
	for from := 0; from < len(names); from += actorsAtATime {
		part := ask[from:min(from+actorsAtATime, len(ask))]
		found := map[string]string{}
		err := s.Tx(ctx, r.Import, func(tx tenancy.Tx) error {
			raw, err := queries.New(tx).ImportActors(ctx, part)
			if err != nil {
				return fmt.Errorf("find the actors of %s: %w", m.System, err)
			}
			return json.Unmarshal(raw, &found)
		})
		if err != nil {
			return nil, err
		}
		for i, a := range part {
			if id, ok := found[a]; ok {
				users[names[from+i]] = id
				continue
			}
			if r.Unknown++; r.Unknown <= shownBad {
				r.UnknownActors = append(r.UnknownActors, names[from+i])
			}
		}
	}
	return users, nil
}

var errChanged = errors.New("the file changed while it was imported: what was imported stays, run it again")

// load imports what comes after the line that an earlier import of the same file came to. A line's events are never in
// two batches, so that a checkpoint is between lines.
func (m *Import) load(ctx context.Context, s *tenancy.Session, parse parser, r *Imported, sum [32]byte,
	users map[string]string) error {
	var batch []Foreign
	var upto int64
	done := 0
	send := func() error {
		if len(batch) == 0 {
			return nil
		}
		added, already, err := m.send(ctx, s, r.Import, upto, batch)
		if err != nil {
			return err
		}
		r.Added, r.AlreadyImported, batch = r.Added+added, r.AlreadyImported+already, batch[:0]
		if m.Progress != nil {
			m.Progress(done, r.Events)
		}
		return nil
	}
	again, err := m.read(ctx, parse, func(line int64, f *Foreign, wrong error) error {
		if wrong == nil {
			wrong = f.check(m.Now)
		}
		if wrong != nil {
			return errChanged
		}
		if done++; line <= r.AfterLine {
			r.AlreadyImported++
			return nil
		}
		if line != upto && len(batch) >= importBatch {
			if err := send(); err != nil {
				return err
			}
		}
		upto = line
		f.identify()
		if id, ok := users[f.Actor]; ok {
			f.User = &id
		}
		batch = append(batch, *f)
		return nil
	})
	if err != nil {
		return err
	}
	if again != sum {
		return errChanged
	}
	return send()
}

func (m *Import) send(ctx context.Context, s *tenancy.Session, id uuid.UUID, upto int64,
	batch []Foreign) (added, already int, err error) {
	rows, err := json.Marshal(batch)
	if err != nil {
		return 0, 0, fmt.Errorf("encode batch: %w", err)
	}
	var done struct {
		Added           int `json:"added"`
		AlreadyImported int `json:"already_imported"`
	}
	err = s.Tx(ctx, uuid.Nil, func(tx tenancy.Tx) error {
		raw, err := queries.New(tx).ImportEvents(ctx,
			queries.ImportEventsParams{Import: id, UptoLine: upto, Rows: rows})
		if err != nil {
			return fmt.Errorf("import up to line %d: %w", upto, err)
		}
		return json.Unmarshal(raw, &done)
	})
	return done.Added, done.AlreadyImported, err
}
