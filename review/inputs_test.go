package review_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/review"
)

// What a case has besides people, care and events.

func (s *scene) inputs() {
	w := s.world
	w.t.Helper()
	for _, l := range s.Links {
		w.do("insert into review.person_link (tenant_id, user_id, patient_id) values ($1, $2, $3)", s.tenant(l.Tenant), s.user(l.User), s.id(l.Patient))
	}
	for _, t := range s.Traits {
		var user, patient, session *uuid.UUID
		if t.User != "" {
			id := s.user(t.User)
			user = &id
		}
		if t.Patient != "" {
			id := s.id(t.Patient)
			patient = &id
		}
		if t.Session != "" {
			id := s.id("session " + t.Session)
			session = &id
		}
		var value *string
		if t.Value != "" {
			value = &t.Value
		}
		w.do("insert into review.trait (input, tenant_id, user_id, patient_id, session_id, key, at) values ($1, $2, $3, $4, $5, sha256($6::text::bytea), $7)",
			t.Input, s.tenant(t.Tenant), user, patient, session, value, s.maybe(t.At))
	}
	for _, a := range s.Anomalies {
		var patient *uuid.UUID
		if a.Patient != "" {
			id := s.id(a.Patient)
			patient = &id
		}
		w.do("insert into review.rule (id, version, tier, severity, title, content_hash, front_matter) values ('T-S', 1, 'S', 'low', 'a rule', 'h', '{}') on conflict do nothing")
		w.do(`insert into review.anomaly (id, tenant_id, rule_id, rule_version, tier, severity, actor_id, subject_id, key, summary, first_at, last_at)
			values ($1, $2, 'T-S', 1, 'S', 'low', $3, $5, sha256($4), 'what happened', now(), now())`, s.id("anomaly "+a.Label), s.tenant(a.Tenant), s.user(a.About), []byte(s.ids.String()+a.Label), patient)
	}
}

// tamper changes the chain, as who owns the table can.
func (w *world) tamper() {
	w.t.Helper()
	var done []string
	for _, s := range w.scenes {
		for _, c := range s.Chain {
			if len(done) == 0 {
				w.do("alter table audit.chain disable trigger append_only")
			}
			done = append(done, s.Name)
			tenant := s.tenant(c.Tenant)
			if c.Resume {
				w.do("insert into audit.resume (tenant_id, seq, hash, sealed_at, event_id) values ($1, $2, sha256('x'), now(), 0)", tenant, c.Seq)
			}
			if c.Sealed != "" {
				w.do("update audit.chain set sealed_at = $3 where tenant_id = $1 and seq = $2", tenant, c.Seq, s.at(c.Sealed))
			}
			if c.Gone {
				w.do("delete from audit.chain where tenant_id = $1 and seq = $2", tenant, c.Seq)
			}
		}
	}
	if len(done) > 0 {
		w.do("alter table audit.chain enable always trigger append_only")
	}
}

// actor is whose an event is; nobody's: an imported log that does not say.
func (s *scene) actor(slug string) (id *uuid.UUID, kind string) {
	if slug == "nobody" {
		return nil, "unknown"
	}
	user := s.user(slug)
	return &user, people[slug].kind
}

func (s *scene) apart(e review.TestEvent) time.Duration {
	d, err := time.ParseDuration(or(e.Every, "1s"))
	if err != nil {
		s.world.t.Fatalf("%s: %q is no length of time", s.Name, e.Every)
	}
	return d
}

// ask is the disclosure of the n-th of an event's times.
func (s *scene) ask(e review.TestEvent, n int) uuid.UUID {
	switch {
	case e.Ask == "":
		return uuid.New()
	case strings.HasSuffix(e.Ask, "-"):
		return s.id("ask " + e.Ask + strconv.Itoa(n+1))
	}
	return s.id("ask " + e.Ask)
}

func (s *scene) session(e review.TestEvent) *uuid.UUID {
	if e.Session == "" {
		return nil
	}
	id := s.id("session " + e.Session)
	return &id
}

var idOf = regexp.MustCompile(`\$(user|slug|record|anomaly|tenant)\.([a-z0-9-]+)`)

// expand puts ids into a detail.
func (s *scene) expand(detail string) string {
	return idOf.ReplaceAllStringFunc(detail, func(found string) string {
		m := idOf.FindStringSubmatch(found)
		switch m[1] {
		case "user":
			return s.user(m[2]).String()
		case "slug":
			return fmt.Sprintf("%s-%d", m[2], s.number)
		case "tenant":
			return s.tenant(m[2]).String()
		case "anomaly":
			return s.id("anomaly " + m[2]).String()
		}
		return s.id(m[2]).String()
	})
}

func maybe(id *uuid.UUID) uuid.UUID {
	if id == nil {
		return uuid.Nil
	}
	return *id
}
