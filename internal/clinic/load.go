package clinic

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Load writes the history into a migrated and initialised database that nobody else uses yet, as the superuser of its
// private cluster: the directory and the records in one transaction, then the events day by day. After each day is
// committed afterDay (nil: nobody) is told its end in UTC, or the history's where that comes first, so that the caller
// can seal it with a clock of that time: what waits for a delay behind the sealing sees days, as in an installation.
// Loading twice is refused.
func (h *History) Load(ctx context.Context, superuserDSN string,
	afterDay func(ctx context.Context, end time.Time) error) error {
	conn, err := pgx.Connect(ctx, superuserDSN)
	if err != nil {
		return fmt.Errorf("load simulation: connect as superuser: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if err := h.loadDirectory(ctx, tx); err != nil {
			return err
		}
		return h.loadRecords(ctx, tx)
	})
	if err != nil {
		return fmt.Errorf("load simulation: %w", err)
	}
	if err := h.reserveIDs(ctx, conn); err != nil {
		return fmt.Errorf("load simulation: %w", err)
	}
	ids := h.ordinals()
	for first := 0; first < len(h.events); {
		next := h.dayEnd(h.events[first].in)
		last := first
		for last < len(h.events) && h.events[last].in < next {
			last++
		}
		if err := h.loadDay(ctx, conn, first, last, ids); err != nil {
			return fmt.Errorf("load simulation: %w", err)
		}
		if afterDay != nil {
			if err := afterDay(ctx, h.time(min(next, h.end))); err != nil {
				return fmt.Errorf("load simulation: after a day: %w", err)
			}
		}
		first = last
	}
	if _, err := conn.Exec(ctx, "analyze audit.event, tenancy.record, review.relationship"); err != nil {
		return fmt.Errorf("load simulation: gather statistics: %w", err)
	}
	return nil
}

// loadDirectory writes tenants, users, memberships and what the service accounts have declared. All demo users share
// one bcrypt: it costs 50 ms each.
func (h *History) loadDirectory(ctx context.Context, tx pgx.Tx) error {
	var there bool
	if err := tx.QueryRow(ctx, "select exists (select from tenancy.tenant where slug = $1)",
		h.Tenants[0].Slug).Scan(&there); err != nil {
		return fmt.Errorf("look for an earlier simulation: %w", err)
	}
	if there {
		return fmt.Errorf("the clinic %s is in this database already: a history is loaded once, "+
			"into a database of its own", h.Tenants[0].Slug)
	}
	var hash, region string
	err := tx.QueryRow(ctx, "select tenancy.new_password($1), tenancy.region_here()",
		h.Config.Password).Scan(&hash, &region)
	if err != nil {
		return fmt.Errorf("hash the demo password: %w", err)
	}
	batch := &pgx.Batch{}
	batch.Queue("insert into tenancy.role (name, note) values ($1, 'keeps the computers: no record') "+
		"on conflict do nothing", technician)
	joined := h.Start.AddDate(-1, 0, 0)
	for _, t := range h.Tenants {
		batch.Queue("insert into tenancy.tenant (id, slug, name, region, created_at) values ($1, $2, $3, $4, $5)", t.ID,
			t.Slug, t.Name, region, joined)
	}
	const insertUser = "insert into tenancy.users (id, slug, name, kind, owner_id, password_hash, created_at) " +
		"values ($1, $2, $3, $4, $5, $6, $7)"
	for _, u := range h.Users {
		switch {
		case u.Reviewer:
			batch.Queue(insertUser+" on conflict (slug) do nothing", u.ID, u.Slug, u.Name, u.Kind, nil, hash, joined)
		case u.Kind == service:
			batch.Queue(insertUser, u.ID, u.Slug, u.Name, u.Kind, h.owner(), nil, joined)
			h.queueSecret(batch, u)
		default:
			batch.Queue(insertUser, u.ID, u.Slug, u.Name, u.Kind, nil, hash, joined)
		}
	}
	for i := range h.members {
		h.queueMember(batch, &h.members[i])
	}
	h.queueDeclared(batch)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("write the directory: %w", err)
	}
	return nil
}

// queueSecret gives a service account the secret that it signs in with. It is random, outlives no process, and is no
// part of what a seed decides.
func (h *History) queueSecret(batch *pgx.Batch, u User) {
	if h.secrets == nil {
		h.secrets = map[uuid.UUID]string{}
	}
	secret := rand.Text()
	h.secrets[u.ID] = secret
	sum := sha256.Sum256([]byte(secret))
	batch.Queue("insert into tenancy.service_secret (user_id, sha256, created_by, expires_at) "+
		"values ($1, $2, $3, clock_timestamp() + interval '1 day')", u.ID, sum[:], h.owner())
}

func (h *History) queueMember(batch *pgx.Batch, m *member) {
	var ended, terminated, reason any
	if !m.ended.IsZero() {
		ended = m.ended
	}
	if m.terminated <= h.end {
		terminated, reason = h.time(m.terminated), "left the clinic"
	}
	batch.Queue("insert into tenancy.membership (id, tenant_id, user_id, role, started_at, ended_on, terminated_at, "+
		"reason) values ($1, $2, $3, $4, $5, $6, $7, $8)",
		m.id, h.Tenants[m.tenant].ID, h.Users[m.user].ID, m.role, h.time(m.started), ended, terminated, reason)
}

func (h *History) queueDeclared(batch *pgx.Batch) {
	for _, s := range services {
		for _, u := range h.Users {
			if u.Slug != s.slug {
				continue
			}
			var tenant any
			if s.largestOnly {
				tenant = h.Tenants[0].ID
			}
			for _, d := range s.declared {
				batch.Queue("insert into tenancy.service_permission (user_id, tenant_id, action, record_table, "+
					"from_hour, to_hour) values ($1, $2, $3, $4, $5, $6)",
					u.ID, tenant, d.action, tableNames[d.table], d.from, d.to)
			}
		}
	}
}

// reserveIDs takes the events' ids from their sequence in one piece, so that ids follow time although other events are
// written in between.
func (h *History) reserveIDs(ctx context.Context, conn *pgx.Conn) error {
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		// Nobody inserts while the sequence is read and set.
		if _, err := tx.Exec(ctx, "lock table audit.event in share row exclusive mode"); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx,
			"select nextval(pg_get_serial_sequence('audit.event', 'event_id'))").Scan(&h.firstID); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "select setval(pg_get_serial_sequence('audit.event', 'event_id'), $1)",
			h.firstID+int64(len(h.events))-1)
		return err
	})
	if err != nil {
		return fmt.Errorf("reserve event ids: %w", err)
	}
	return nil
}

// dayEnd is the end of the UTC day that t is in.
func (h *History) dayEnd(t micro) micro {
	return h.micro(h.time(t).UTC().Truncate(24*time.Hour).AddDate(0, 0, 1))
}
