package archive

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// succession is the first line of a note by which one signing key follows another.
const successionHeader = "ward-key/v1"

// succession says that checkpoints of size From and more are signed by Next and no longer by Old. It is itself signed
// by both: the old key vouches for the new one, and the new one for what the old one signed before, so that either of
// them leads a verifier through the whole log.
type succession struct {
	origin    string
	from      int64
	micros    int64
	old, next Key
}

func (s *succession) text() string {
	return fmt.Sprintf("%s\n%s\n%d\n%d\n%s\n%s\n", successionHeader, s.origin, s.from, s.micros,
		s.old.Text, s.next.Text)
}

func parseSuccessionText(text string) (succession, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 7 || lines[0] != successionHeader || lines[6] != "" {
		return succession{}, fmt.Errorf("%w: not a note about keys", errMalformed)
	}
	s := succession{origin: lines[1]}
	_, oerr := OriginRegion(s.origin)
	from, ferr := strconv.ParseInt(lines[2], 10, 64)
	micros, merr := strconv.ParseInt(lines[3], 10, 64)
	old, kerr := ParseKey(lines[4])
	next, nerr := ParseKey(lines[5])
	if err := errors.Join(oerr, ferr, merr, kerr, nerr); err != nil || from < 2 || from > maxPart+1 || micros < 1 {
		return succession{},
			fmt.Errorf("%w: note about keys: %w", errMalformed, firstError(err, errors.New("out of range")))
	}
	s.from, s.micros, s.old, s.next = from, micros, old, next
	if s.text() != text || s.old.Text == s.next.Text {
		return succession{}, fmt.Errorf("%w: note about keys: not in canonical form", errMalformed)
	}
	return s, nil
}

// openSuccession reads a note about keys that both of them signed.
func openSuccession(data []byte) (succession, error) {
	text, _, ok := strings.Cut(string(data), "\n\n")
	if !ok {
		return succession{}, fmt.Errorf("%w: note about keys", errUnsigned)
	}
	s, err := parseSuccessionText(text + "\n")
	if err != nil {
		return succession{}, err
	}
	for _, k := range []Key{s.old, s.next} {
		if signed, _, err := openNote(data, []Key{k}); err != nil || signed != s.text() {
			return succession{}, fmt.Errorf("%w: note about keys, by %s", errUnsigned, k.Name())
		}
	}
	return s, nil
}

func signSuccession(s *succession, old, next *Signer) ([]byte, error) {
	data, err := note.Sign(&note.Note{Text: s.text()}, old, next)
	if err != nil {
		return nil, fmt.Errorf("signing note about keys: %w", err)
	}
	return data, nil
}

var (
	errKeyRange = errors.New("signed by a key that was not the log's at this place")
	// ErrReplaced says that a signing key is not the one that the log goes on with.
	ErrReplaced = errors.New("the log goes on with another key")
)

// ring is the keys that are trusted, each for the sizes of the log that it may sign. What a date allows a thief of an
// old key could claim; a place in the log that is signed already he cannot.
type ring struct {
	keys  []ringKey
	notes []string // by which keys were learnt
}

type ringKey struct {
	Key
	from, to int64 // sizes, both inclusive
}

func newRing(keys []Key) *ring {
	r := &ring{}
	for _, k := range keys {
		r.keys = append(r.keys, ringKey{k, 0, math.MaxInt64})
	}
	return r
}

func (r *ring) find(k Key) *ringKey {
	for i := range r.keys {
		if r.keys[i].Text == k.Text {
			return &r.keys[i]
		}
	}
	return nil
}

// all are the keys, whatever their place.
func (r *ring) all() []Key {
	list := make([]Key, len(r.keys))
	for i, k := range r.keys {
		list[i] = k.Key
	}
	return list
}

// take learns from a note about keys. False: neither key is known yet. The error says that a key in it could not say
// so.
func (r *ring) take(s *succession) (bool, error) {
	old, next := r.find(s.old), r.find(s.next)
	switch {
	case old == nil && next == nil:
		return false, nil
	case old != nil && (s.from-1 < old.from || s.from-1 > old.to), next != nil &&
		(s.from < next.from || s.from > next.to):
		return false, errKeyRange
	}
	if old == nil {
		r.keys = append(r.keys, ringKey{s.old, 0, s.from - 1})
	} else {
		old.to = s.from - 1
	}
	if next = r.find(s.next); next == nil {
		r.keys = append(r.keys, ringKey{s.next, s.from, math.MaxInt64})
	} else {
		next.from = s.from
	}
	return true, nil
}

// checkpoint is ParseCheckpoint under the keys of the ring, each in its place.
func (r *ring) checkpoint(data []byte) (Head, error) {
	h, err := ParseCheckpoint(data, r.all()...)
	if err != nil {
		return h, err
	}
	for _, k := range r.keys {
		if k.Fingerprint() == h.KeyFingerprint && h.Size >= k.from && h.Size <= k.to {
			return h, nil
		}
	}
	return h, fmt.Errorf("opening checkpoint: %w: %s, size %d", errKeyRange, h.KeyName, h.Size)
}

// follow takes in the notes about keys of a region, in whatever direction they lead from the keys that are trusted. A
// note that could not be read, that is not of this log, or that leads nowhere is reported.
func (r *ring) follow(ctx context.Context, store Store, objects *regionObjects,
	report func(o object, err error)) error {
	type found struct {
		object object
		succession
		data string
	}
	var notes []found
	err := readAll(ctx, store, objects.keys, func(o object, data []byte, err error) {
		var s succession
		if err == nil {
			// of another format only where a key of the log says so
			if s, err = openSuccession(data); errors.Is(err, errMalformed) {
				if _, _, serr := openNote(data, r.all()); serr != nil {
					err = fmt.Errorf("%w: %w", serr, err)
				}
			}
		}
		if err == nil {
			if region, _ := OriginRegion(s.origin); region != o.region || s.from != o.number {
				err = fmt.Errorf("%w: a note of %s about size %d", errWrongLog, s.origin, s.from)
			}
		}
		if err != nil {
			report(o, err)
			return
		}
		notes = append(notes, found{o, s, string(data)})
	})
	if err != nil {
		return err
	}
	for again := true; again; {
		again = false
		notes = slices.DeleteFunc(notes, func(f found) bool {
			taken, err := r.take(&f.succession)
			if err != nil {
				report(f.object, err)
			}
			if taken {
				r.notes, again = append(r.notes, f.data), true
			}
			return taken || err != nil
		})
	}
	for _, f := range notes {
		report(f.object, fmt.Errorf("%w: %s and %s", errUntrustedKey, f.old.Name(), f.next.Name()))
	}
	return nil
}

// takeOver stores the note by which the log's signer follows the one that signed its newest checkpoint, where that is
// another.
func (l *Log) takeOver(ctx context.Context) error {
	old := l.from
	if old == nil {
		return nil
	}
	now := l.Now()
	s := succession{origin: l.origin, from: l.head.Size + 1, micros: now.UnixMicro(), old: old.Key(),
		next: l.signer.Key()}
	data, err := signSuccession(&s, old, l.signer)
	if err != nil {
		return err
	}
	path := keysPath(l.region, s.from)
	err = putObject(ctx, l.store, path, data, now.Add(DefaultRetention))
	if errors.Is(err, ErrExists) { // of a run that was interrupted: another time, the same keys
		var found []byte
		if found, err = readObject(ctx, l.store, path); err == nil {
			var other succession
			if other, err = openSuccession(found); err == nil &&
				(other.old.Text != s.old.Text || other.next.Text != s.next.Text || other.origin != s.origin) {
				err = fmt.Errorf("%w: %s", ErrBlocked, path)
			}
		}
	}
	if err != nil {
		return fmt.Errorf("handing log %s over to key %s: %w", l.origin, s.next.Name(), err)
	}
	l.from = nil
	return nil
}

// mayGoOn checks that the log's signer may sign the next checkpoint, or that it can take over from one of previous,
// which the next append then makes it do.
func (l *Log) mayGoOn(r *ring, previous []*Signer) error {
	if l.head.Size == 0 {
		return nil
	}
	next := l.head.Size + 1
	k := r.find(l.signer.Key())
	if next <= k.to && (l.head.KeyFingerprint == k.Fingerprint() || next == k.from) {
		return nil
	}
	for _, old := range previous {
		if o := r.find(old.Key()); next <= k.to && next <= o.to && o.Fingerprint() == l.head.KeyFingerprint {
			l.from = old
			return nil
		}
	}
	return fmt.Errorf("%w: checkpoint %d is signed by %s (%s); a new key takes over only where that one is at hand "+
		"too (previous_signing_key)",
		ErrReplaced, l.head.Size, l.head.KeyName, l.head.KeyFingerprint)
}
