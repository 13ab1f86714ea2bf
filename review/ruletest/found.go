package ruletest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/review"
)

// who is what an anomaly is about.
type who struct{ tenant, actor, patient uuid.UUID } // no actor, or none of the patient's: nil

// finding is what was found about somebody.
type finding struct {
	summaries []string
	events    map[int64]bool
	wrong     string
	state     string // empty: of a mutant or a filter, which have none
}

type findings map[who]*finding

func (f findings) add(about who, summary string, events ...int64) *finding {
	if f[about] == nil {
		f[about] = &finding{events: map[int64]bool{}}
	}
	at := f[about]
	at.summaries = append(at.summaries, summary)
	events = slices.Sorted(slices.Values(events))
	if len(slices.Compact(slices.Clone(events))) != len(events) {
		at.wrong = "an event is named twice"
	}
	for _, e := range events {
		at.events[e] = true
	}
	return at
}

// found reads what the rule left in the database.
func (w *World) found(ctx context.Context, rule *review.Rule) (findings, error) {
	out := findings{}
	if w.err != nil {
		return out, w.err
	}
	var (
		about          who
		actor, patient *uuid.UUID
		summary, state string
		event          int64
		events         []int64
		own            bool
	)
	name, into := "found", []any{&about.tenant, &actor, &patient, &summary, &state, &events, &own}
	if rule.Explains() {
		name, into = "explained", []any{&about.tenant, &actor, &summary, &event}
	}
	rows, err := w.Super.Query(ctx, statement(name), rule.ID)
	if err != nil {
		return nil, fmt.Errorf("read what rule %s found: %w", rule.ID, err)
	}
	_, err = pgx.ForEachRow(rows, into, func() error {
		about.actor, about.patient = of(actor), of(patient)
		if rule.Explains() {
			out.add(about, summary, event)
			return nil
		}
		second := out[about] != nil
		f := out.add(about, summary, events...)
		f.state = state
		if second || !own {
			f.wrong = "two anomalies about the same, or one with another clinic's events"
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read what rule %s found: %w", rule.ID, err)
	}
	return out, nil
}

func of(id *uuid.UUID) uuid.UUID {
	if id == nil {
		return uuid.Nil
	}
	return *id
}

// about is who an expected anomaly is about.
func (s *Scene) about(ctx context.Context, x review.TestAnomaly) who {
	about := who{tenant: s.tenant(ctx, x.Tenant)}
	if x.Actor != "" {
		about.actor = s.user(x.Actor)
	}
	if x.Patient != "" {
		about.patient = s.ID(x.Patient)
	}
	return about
}

// worker is ward's own user, which no case is about.
const worker = "ward-worker"

// names says whether a text that names people names this one.
func names(text, slug string) bool {
	if slug == "" || strings.Contains(text, slug+"-") {
		return true
	}
	for other := range people {
		if strings.Contains(text, other+"-") {
			return false
		}
	}
	return !strings.Contains(text, worker)
}

// compare says what is wrong with what was found about a case's people; empty: nothing.
func (s *Scene) compare(ctx context.Context, found findings) string {
	var wrong []string
	expected := map[who]bool{}
	for _, x := range s.Expect {
		about := s.about(ctx, x)
		expected[about] = true
		f := found[about]
		whom := "about " + or(x.Actor, "nobody") + " at " + or(x.Tenant, "cedar")
		if f == nil {
			wrong = append(wrong, "nothing "+whom)
			continue
		}
		if len(f.events) != x.Evidence {
			wrong = append(wrong, fmt.Sprintf("%s: evidence %d, want %d", whom, len(f.events), x.Evidence))
		}
		want := s.expand(ctx, x.Summary)
		if !slices.ContainsFunc(f.summaries, func(summary string) bool {
			return names(summary, x.Actor) && strings.Contains(summary, want)
		}) {
			wrong = append(wrong, fmt.Sprintf("%s: %q, want %q in it", whom, f.summaries, x.Summary))
		}
		if state := map[bool]string{true: "suppressed",
			false: "new"}[strings.HasPrefix(s.Name, suppressed)]; f.state != "" && f.state != state {
			wrong = append(wrong, fmt.Sprintf("%s: %s, want %s", whom, f.state, state))
		}
		if f.wrong != "" {
			wrong = append(wrong, whom+": "+f.wrong)
		}
	}
	tenants := slices.Collect(maps.Values(s.Tenants))
	for about, f := range found {
		if slices.Contains(tenants, about.tenant) && !expected[about] {
			wrong = append(wrong, fmt.Sprintf("unexpected: %q, evidence %d", f.summaries, len(f.events)))
		}
	}
	slices.Sort(wrong)
	return strings.Join(wrong, "; ")
}
