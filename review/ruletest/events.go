package ruletest

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/review"
)

func (s *Scene) permissions(ctx context.Context) {
	for _, p := range s.Permissions {
		to := p.ToHour
		if to == 0 {
			to = 24
		}
		var tenant *uuid.UUID
		if p.Tenant != "" {
			id := s.tenant(ctx, p.Tenant)
			tenant = &id
		}
		s.world.do(ctx, "permission", s.user(p.User), tenant, p.Action, p.Table, p.FromHour, to)
	}
}

func (s *Scene) relations(ctx context.Context) {
	for _, r := range s.Relations {
		known, author := s.at(or(r.Known, r.From)), uuid.New()
		if r.Author != "" {
			author = s.user(r.Author)
		}
		for _, patient := range labels(r.Patient, r.Times) {
			s.world.do(ctx, "relation", r.Kind, s.tenant(ctx, r.Tenant), s.user(r.User), s.ID(patient), s.at(r.From),
				s.maybe(r.To), author, s.maybe(r.Void), known)
		}
	}
}

func (s *Scene) coverages(ctx context.Context) {
	for _, c := range s.Coverages {
		author := s.user(or(c.Author, "dana"))
		s.world.do(ctx, "coverage", s.tenant(ctx, c.Tenant), s.user(c.User), s.user(c.Covered), s.at(c.From),
			s.at(c.To), author, s.maybe(c.Void), s.at(or(c.Known, c.From)))
	}
}

func (s *Scene) end(ctx context.Context, m review.TestMembership) {
	id, ok := s.members[m.User+"@"+or(m.Tenant, "cedar")]
	if !ok {
		s.world.fail("case %q: %s is no member of %s", s.Name, m.User, m.Tenant)
		return
	}
	var day *time.Time
	if m.EndedOn != "" {
		d := s.at(m.EndedOn + " 00:00:00")
		day = &d
	}
	s.world.do(ctx, "end", id, day, s.maybe(m.Terminated))
}

// events are the rows of audit.event that a line of a case stands for; the records that it names are registered.
func (s *Scene) events(ctx context.Context, e review.TestEvent) [][]any {
	e.Tenant, e.Action, e.Outcome, e.Purpose = or(e.Tenant, "cedar"), or(e.Action, "view"), or(e.Outcome, "ok"),
		or(e.Purpose, "treatment")
	var member *uuid.UUID
	if m, ok := s.members[e.User+"@"+e.Tenant]; ok && e.Membership == "" {
		member = &m
	}
	detail, tenant, apart := s.detail(ctx, e), s.tenant(ctx, e.Tenant), s.apart(e)
	user, kind := s.actor(e.User)
	var rows [][]any
	for day := range max(e.Days, 1) {
		for i, label := range labels(e.Record, e.Times) {
			at := s.at(e.At).AddDate(0, 0, -day).Add(time.Duration(i) * apart)
			recorded, occurred := at, (*time.Time)(nil)
			if e.Recorded != "" {
				recorded, occurred = s.at(e.Recorded), &at
			}
			var table *string
			var record, subject *uuid.UUID
			name := or(e.Table, "public.patients")
			if e.Table != "" {
				table = &name // also without a record: a search
			}
			if e.Record != "" {
				id := s.ID(label)
				table, record = &name, &id
				if name == "public.patients" {
					subject = &id
				}
				s.register(ctx, e, name, label)
			}
			rows = append(rows, []any{recorded, tenant, user, kind, member, e.Action, e.Outcome, table, record, subject,
				e.Purpose, detail, or(e.Source, "simulation"), occurred, s.ask(e, i), s.session(e)})
		}
	}
	return rows
}

func (s *Scene) detail(ctx context.Context, e review.TestEvent) *string {
	var d string
	switch {
	case e.Detail != "":
		d = s.expand(ctx, e.Detail)
	case e.Grant != "":
		d = fmt.Sprintf(`{"user":%q,"role":%q,"ticket":"T-1","hours":4}`, s.user(e.Grant),
			or(e.GrantRole, "on_call_engineer"))
	case e.Reason != "":
		d = fmt.Sprintf(`{"reason":%q}`, e.Reason)
	case e.Membership != "" && e.Membership != "none":
		d = fmt.Sprintf(`{"membership":%q}`, s.members[e.Membership+"@"+e.Tenant])
	default:
		return nil
	}
	return &d
}

func (s *Scene) register(ctx context.Context, e review.TestEvent, table, label string) {
	home := or(e.Home, e.Tenant)
	if home == "none" {
		return
	}
	patient := s.ID(or(e.Patient, label))
	subject := &patient
	if e.Patient == "none" {
		subject = nil
	}
	r := &s.world.records
	r.tables, r.ids, r.tenants, r.subjects = append(r.tables, table), append(r.ids, s.ID(label)),
		append(r.tenants, s.tenant(ctx, home)), append(r.subjects, subject)
}

// actor is whose an event is; nobody's: an imported log that does not say.
func (s *Scene) actor(slug string) (id *uuid.UUID, kind string) {
	if slug == "nobody" {
		return nil, "unknown"
	}
	user := s.user(slug)
	return &user, people[slug].kind
}

func (s *Scene) apart(e review.TestEvent) time.Duration {
	d, err := time.ParseDuration(or(e.Every, "1s"))
	if err != nil {
		s.world.fail("case %q: %q is no length of time", s.Name, e.Every)
	}
	return d
}

// ask is the disclosure of the n-th of an event's times.
func (s *Scene) ask(e review.TestEvent, n int) uuid.UUID {
	switch {
	case e.Ask == "":
		return uuid.New()
	case strings.HasSuffix(e.Ask, "-"):
		return s.ID("ask " + e.Ask + strconv.Itoa(n+1))
	}
	return s.ID("ask " + e.Ask)
}

func (s *Scene) session(e review.TestEvent) *uuid.UUID {
	if e.Session == "" {
		return nil
	}
	id := s.ID("session " + e.Session)
	return &id
}

// inputs are what a case has besides people, care and events.
func (s *Scene) inputs(ctx context.Context) {
	id := func(label, prefix string) *uuid.UUID {
		if label == "" {
			return nil
		}
		id := s.ID(prefix + label)
		return &id
	}
	for _, l := range s.Links {
		s.world.do(ctx, "link", s.tenant(ctx, l.Tenant), s.user(l.User), s.ID(l.Patient))
	}
	for _, t := range s.Traits {
		var user *uuid.UUID
		if t.User != "" {
			id := s.user(t.User)
			user = &id
		}
		var value *string
		if t.Value != "" {
			value = &t.Value
		}
		s.world.do(ctx, "trait", t.Input, s.tenant(ctx, t.Tenant), user, id(t.Patient, ""), id(t.Session, "session "),
			value, s.maybe(t.At))
	}
	for _, a := range s.Anomalies {
		s.world.do(ctx, "queued rule")
		s.world.do(ctx, "queued", s.ID("anomaly "+a.Label), s.tenant(ctx, a.Tenant), s.user(a.About),
			[]byte(s.ids.String()+a.Label), id(a.Patient, ""))
	}
}

// tamper changes the chain, as who owns the table can.
func (w *World) tamper(ctx context.Context) {
	opened := false
	for _, s := range w.Scenes {
		for _, c := range s.Chain {
			if !opened {
				w.do(ctx, "open the chain")
				opened = true
			}
			tenant := s.tenant(ctx, c.Tenant)
			if c.Resume {
				w.do(ctx, "resume", tenant, c.Seq)
			}
			if c.Sealed != "" {
				w.do(ctx, "reseal", tenant, c.Seq, s.at(c.Sealed))
			}
			if c.Gone {
				w.do(ctx, "remove", tenant, c.Seq)
			}
		}
	}
	if opened {
		w.do(ctx, "close the chain")
	}
}
