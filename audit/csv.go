package audit

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// csvHead are the columns of an export, and those that an import understands.
var csvHead = []string{"event_id", "recorded_at", "actor", "actor_id", "action", "outcome", "record_table", "record_id",
	"patient_id", "purpose", "session_id", "seq", "hash", "detail", "occurred_at", "owner_tenant", "source"}

// csvWriter writes events with a header, also where there are none.
func csvWriter(w io.Writer) (write func(*Event, *Names) error, flush func() error) {
	c := csv.NewWriter(w)
	started := false
	start := func() error {
		if started {
			return nil
		}
		started = true
		return c.Write(csvHead)
	}
	write = func(e *Event, _ *Names) error {
		if err := start(); err != nil {
			return err
		}
		seq, occurred := "", ""
		if e.Seq != nil {
			seq = strconv.FormatInt(*e.Seq, 10)
		}
		if e.OccurredAt != nil {
			occurred = e.OccurredAt.UTC().Format(time.RFC3339Nano)
		}
		return c.Write([]string{strconv.FormatInt(e.EventID, 10), e.RecordedAt.UTC().Format(time.RFC3339Nano),
			orEmpty(e.Actor), idText(e.ActorID), e.Action, e.Outcome, orEmpty(e.RecordTable), idText(e.RecordID),
			idText(e.PatientID),
			orEmpty(e.Purpose), idText(e.SessionID), seq, orEmpty(e.Hash), orEmpty(e.Detail), occurred,
			e.said().OwnerTenant, e.Source})
	}
	return write, func() error {
		if err := start(); err != nil {
			return err
		}
		c.Flush()
		return c.Error()
	}
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func idText(id *uuid.UUID) string {
	if id == nil {
		return ""
	}
	return id.String()
}

// errTooLong says that one event is longer than any can be.
var errTooLong = errors.New("it is longer than 1 MiB")

// meter fails once more has been read than one event may be long, so that a quote that is never closed does not swallow
// a file.
type meter struct {
	r    io.Reader
	left int
}

func (m *meter) Read(p []byte) (int, error) {
	if m.left <= 0 {
		return 0, errTooLong
	}
	n, err := m.r.Read(p)
	m.left -= n
	return n, err
}

// columns are where in a line an import finds what. The first of several names that is there counts.
type columns map[string]int

func (c columns) of(record []string, names ...string) string {
	for _, name := range names {
		if i, ok := c[name]; ok && i < len(record) && record[i] != "" {
			return record[i]
		}
	}
	return ""
}

// parseCSV hands each event of a CSV file to each, with its line, or what is wrong with it. The error is of the file as
// a whole.
func parseCSV(r io.Reader, each func(line int64, f *Foreign, wrong error) error) error {
	m := &meter{r, maxEvent}
	c := csv.NewReader(m)
	c.FieldsPerRecord = -1
	c.ReuseRecord = true
	head, err := c.Read()
	if err != nil {
		return fmt.Errorf("its first line is no header of CSV: %w", shape(err))
	}
	at := columns{}
	for i, name := range head {
		name = strings.TrimPrefix(strings.ToLower(strings.TrimSpace(name)), "\ufeff")
		if _, twice := at[name]; twice {
			return fmt.Errorf("its header has column %d twice", i+1)
		}
		at[name] = i
	}
	for _, needed := range [][]string{{"action"}, {"occurred_at", "recorded_at"}} {
		if at.of(append([]string{}, head...), needed...) == "" {
			return fmt.Errorf("its header has no column %s", strings.Join(needed, " or "))
		}
	}
	width, last := len(head), 1
	for {
		m.left = maxEvent
		record, err := c.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		var broken *csv.ParseError
		if err != nil && !errors.As(err, &broken) {
			return fmt.Errorf("after line %d: %w", last, err)
		}
		if broken != nil {
			if err := each(int64(broken.StartLine), nil, shape(err)); err != nil {
				return err
			}
			continue
		}
		line, _ := c.FieldPos(0)
		last = line
		if len(record) != width {
			err = each(int64(line), nil, fmt.Errorf("it has %d columns, the header %d", len(record), width))
		} else {
			f, wrong := at.event(record)
			err = each(int64(line), f, wrong)
		}
		if err != nil {
			return err
		}
	}
}

// shape is a syntax error without where it is, which the caller says.
func shape(err error) error {
	var broken *csv.ParseError
	if errors.As(err, &broken) {
		return broken.Err
	}
	return err
}

func (c columns) event(record []string) (*Foreign, error) {
	f := &Foreign{
		Source: c.of(record, "source_id", "event_id"), Actor: c.of(record, "actor_id", "actor"),
		Action: c.of(record, "action"), Outcome: c.of(record, "outcome"), RecordTable: c.of(record, "record_table"),
		RecordID: c.of(record, "record_id"), PatientID: c.of(record, "patient_id"), Purpose: c.of(record, "purpose"),
		OwnerTenant: c.of(record, "owner_tenant"), Client: c.of(record, "client"), Server: c.of(record, "server"),
	}
	if f.Outcome == "" {
		f.Outcome = "ok"
	}
	at, err := time.Parse(time.RFC3339, c.of(record, "occurred_at", "recorded_at"))
	if err != nil {
		return nil, errors.New("its time is not RFC 3339")
	}
	f.At = at.UTC().Truncate(time.Microsecond)
	return f, nil
}
