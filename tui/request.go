package tui

import (
	"context"
	"errors"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/ward-health/ward/tenancy"
)

// slot is a place for the answer to one question at a time. A new question makes the answer to the last one stale.
type slot struct {
	id     uint64
	cancel context.CancelFunc
	busy   bool
	err    error // of the last answer: what is on the screen is not the present
	failed func(*model, error) tea.Cmd
}

// drop makes an answer that is still under way stale.
func (s *slot) drop() {
	s.id++
	s.busy = false
	if s.cancel != nil {
		s.cancel()
	}
}

// reply is the answer to a question: an error, or what to do with the data. There is no third case, so that nothing is
// shown of a call that failed.
type reply struct {
	slot  *slot
	id    uint64
	err   error
	apply func(*model) tea.Cmd
}

// perform asks the database or the store, outside Update. apply runs inside it, with what fn returned, cleaned of what
// could harm a terminal; it does not run when fn failed: until a call returns nil its event may not be durable and its
// data are not to be seen.
func perform[T any](m *model, s *slot, fn func(context.Context) (T, error), apply func(*model, T) tea.Cmd) tea.Cmd {
	s.drop()
	ctx, cancel := context.WithCancel(m.ctx)
	s.cancel, s.busy = cancel, true
	id := s.id
	return func() tea.Msg {
		defer cancel()
		v, err := fn(ctx)
		if err != nil {
			return reply{slot: s, id: id, err: err}
		}
		scrub(&v)
		return reply{slot: s, id: id, apply: func(m *model) tea.Cmd { return apply(m, v) }}
	}
}

// onReply is the only way of data onto the screen.
func (m *model) onReply(r reply) tea.Cmd {
	if r.id != r.slot.id {
		return nil
	}
	r.slot.busy, r.slot.err = false, r.err
	if r.err != nil {
		m.fail(r.err)
		if r.slot.failed != nil {
			return r.slot.failed(m, r.err)
		}
		return nil
	}
	m.trouble = nil
	return r.apply(m)
}

// fail puts an error on the bottom line until the next key, in words and with what to do.
func (m *model) fail(err error) {
	var refused *tenancy.RefusedError
	var unreachable *tenancy.UnreachableError
	switch {
	case errors.Is(err, context.Canceled):
		m.say("cancelled")
		return
	case errors.As(err, &refused):
		m.trouble = err
		m.warn(clean(refused.Error()) + ": q, then ward login; what is dimmed is the last that was known")
	case errors.As(err, &unreachable):
		m.trouble = err
		m.warn(clean(unreachable.Error()) + ": r tries again; what is dimmed is the last that was known")
	default:
		m.warn(errorWords(err))
	}
	m.log.ErrorContext(m.ctx, "a call failed", slogError(err))
}

// errorWords is an error as a person reads it: the database's own words where it refused something.
func errorWords(err error) string {
	var denied *tenancy.DeniedError
	if errors.As(err, &denied) {
		return clean(denied.Error())
	}
	return clean(err.Error())
}

// later sends a message after a while, through the model so that tests have no timers.
func (m *model) later(d time.Duration, msg tea.Msg) tea.Cmd { return m.after(d, msg) }

func afterTimer(d time.Duration, msg tea.Msg) tea.Cmd {
	return tea.Tick(d, func(time.Time) tea.Msg { return msg })
}
