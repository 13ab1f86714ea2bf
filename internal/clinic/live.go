package clinic

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/tenancy"
)

// liveLanes is how many sessions run side by side. Session i runs in lane i mod liveLanes, so that each lane's order is
// fixed.
const liveLanes = 4

// Live acts now, through the API of an application: n sessions sign in as audience "app", search, disclose, read and
// write, among them some labelled incidents and their twins (fewer than n in all). app is a pool as ward_app on the
// database that Load filled. Once per history: what it writes has fixed ids.
func (h *History) Live(ctx context.Context, app *tenancy.DB, n int, progress func(done, total int)) error {
	plan := h.planLive(n)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	times := make([][2]time.Time, len(plan.sessions))
	errs := make([]error, liveLanes)
	var done atomic.Int64
	var lanes sync.WaitGroup
	for lane := range liveLanes {
		lanes.Go(func() {
			for i := lane; i < len(plan.sessions); i += liveLanes {
				times[i][0] = time.Now()
				if errs[lane] = h.liveSession(ctx, app, &plan.sessions[i]); errs[lane] != nil {
					cancel() // the others need not go on
					return
				}
				times[i][1] = time.Now()
				if d := int(done.Add(1)); progress != nil {
					progress(d, len(plan.sessions))
				}
			}
		})
	}
	lanes.Wait()
	// the cause comes before the cancellations that it led to
	slices.SortStableFunc(errs, func(a, b error) int { return severity(b) - severity(a) })
	if errs[0] != nil {
		return errs[0]
	}
	for i, s := range plan.sessions {
		if s.scenario != "" {
			m := &h.members[s.member]
			h.labels = append(h.labels, Label{Scenario: s.scenario, Kind: s.kind, Tenant: h.Tenants[m.tenant].Slug,
				Actor: h.Users[m.user].Slug, Live: true,
				FirstAt: times[i][0].UTC(), LastAt: times[i][1].UTC(), Dose: s.dose, Note: s.note})
		}
	}
	return nil
}

func severity(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled):
		return 1
	}
	return 2
}

func (h *History) liveSession(ctx context.Context, app *tenancy.DB, s *liveSession) error {
	m := &h.members[s.member]
	who, where := h.Users[m.user].Slug, h.Tenants[m.tenant].Slug
	var tokens tenancy.Tokens
	var err error
	if secret, isService := h.secrets[h.Users[m.user].ID]; isService {
		tokens, err = app.SignInService(ctx, who, secret, where, "app")
	} else {
		tokens, err = app.SignIn(ctx, tenancy.Credentials{User: who, Password: h.Config.Password, Tenant: where})
	}
	if err != nil {
		return fmt.Errorf("live session of %s at %s: %w", who, where, err)
	}
	session := tenancy.NewSession(app, tokens, time.Now, nil)
	for _, a := range s.acts {
		if err := h.act(ctx, session, a); err != nil {
			return fmt.Errorf("live session of %s at %s: %s %s: %w", who, where, a.kind, tableNames[a.table], err)
		}
	}
	if err := session.SignOut(ctx); err != nil {
		return fmt.Errorf("live session of %s at %s: %w", who, where, err)
	}
	return nil
}

// act does one thing. What is read is thrown away: the simulator wants the events.
func (h *History) act(ctx context.Context, s *tenancy.Session, a liveAct) error {
	name := tableNames[a.table]
	look := tenancy.Do("select id from phi." + name[len("public."):])
	switch a.kind {
	case "find":
		c := &h.charts[h.rows[a.rows[0]].chart]
		mrn := h.values(c.row)[2]
		return s.Find(ctx, tenancy.Search{Table: name, Where: []tenancy.Condition{{Column: "last_name", Op: "=",
			Value: c.last}, {Column: "mrn", Op: "=", Value: mrn}}, Limit: 5, Purpose: a.purpose}, look)
	case "create":
		return s.Write(ctx, tenancy.Ask{}, h.inserts(a)...)
	default:
		ids := make([]uuid.UUID, len(a.rows))
		for i, r := range a.rows {
			ids[i] = h.rows[r].id
		}
		return s.Read(ctx, tenancy.Ask{Table: name, IDs: ids, Purpose: a.purpose, Export: a.kind == "export"}, look)
	}
}

// inserts write notes and messages, whose times are the database's.
func (h *History) inserts(a liveAct) []tenancy.Statement {
	var out []tenancy.Statement
	for _, i := range a.rows {
		r := &h.rows[i]
		tenant, patient, user := h.Tenants[r.tenant].ID, h.rows[h.charts[r.chart].row].id, h.Users[r.provider].ID
		if a.table == notes {
			out = append(out, tenancy.Do("insert into public.notes (tenant_id, id, patient_id, author_id, body) "+
				"values ($1, $2, $3, $4, 'Simulated note, live.')", tenant, r.id, patient, user))
		} else {
			sender := "provider"
			if r.fromPatient {
				sender = "patient"
			}
			out = append(out, tenancy.Do("insert into public.messages (tenant_id, id, patient_id, provider_id, "+
				"sender, body) values ($1, $2, $3, $4, $5, 'Simulated message, live.')", tenant, r.id, patient,
				user, sender))
		}
	}
	return out
}
