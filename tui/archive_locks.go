package tui

import (
	"context"

	tea "charm.land/bubbletea/v2"

	"github.com/ward-health/ward/archive"
)

// readOnlyFiles is how a directory keeps its objects.
const readOnlyFiles = "read-only files"

// keeping is how a store keeps an object, as it says.
type keeping struct {
	Lock  archive.Lock
	Known bool
}

// mode is the lock in a word or two.
func (k keeping) mode() string {
	switch {
	case !k.Known:
		return "not told"
	case k.Lock.Mode == "" && k.Lock.Hold:
		return "legal hold"
	case k.Lock.Mode == "":
		return "! no lock"
	case k.Lock.Hold:
		return k.Lock.Mode + ", hold"
	}
	return k.Lock.Mode
}

func (k keeping) until() string {
	if k.Lock.Mode == "" {
		return dash
	}
	return k.Lock.Until.UTC().Format("2006-01-02")
}

// askLocks asks the store how it keeps what is on the screen: of a month its newest file, of a month that is open each
// file that is seen. Nothing else is asked, since each answer is a request to a store that may be far away and hold
// years. It belongs to the look that listed them.
func (s *archiveScreen) askLocks(m *model) tea.Cmd {
	locker, ok := m.cfg.Store.(archive.Locker)
	if !ok || s.locking.busy || s.close != nil {
		return nil
	}
	var paths []string
	for _, p := range s.seen(m) {
		if _, known := s.locks[p]; p != "" && !known {
			paths = append(paths, p)
		}
	}
	if len(paths) == 0 {
		return nil
	}
	return perform(m, &s.locking, func(ctx context.Context) (map[string]keeping, error) {
		out := map[string]keeping{}
		for _, p := range paths {
			lock, err := locker.Lock(ctx, p)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			out[p] = keeping{lock, err == nil} // one that the store does not tell is said to be so
		}
		return out, nil
	}, func(m *model, got map[string]keeping) tea.Cmd {
		for p, k := range got {
			s.locks[p] = k
		}
		return s.askLocks(m) // for what has come onto the screen meanwhile
	})
}

// seen are the paths of the files that the rows on the screen stand for.
func (s *archiveScreen) seen(m *model) []string {
	list, h := &s.list, m.bodyHeight()-1
	if s.inside != nil {
		list, h = &s.inside.list, h-monthHead
	}
	rows, _ := list.visible(h)
	var paths []string
	for _, r := range rows {
		switch {
		case r.part != nil && r.part.Rows > 0 && r.part.Damaged == "":
			paths = append(paths, r.part.Path)
		case r.finding == nil && r.line == "" && r.part == nil:
			paths = append(paths, r.month.Newest)
		}
	}
	return paths
}

// lockCells are how the store keeps a file: until when, and in which mode.
func (s *archiveScreen) lockCells(m *model, path string) (until, mode string) {
	if path == "" {
		return dash, dash
	}
	if _, ok := m.cfg.Store.(archive.Locker); !ok {
		return dash, readOnlyFiles
	}
	k, ok := s.locks[path]
	if !ok {
		return "…", "…"
	}
	return k.until(), k.mode()
}
