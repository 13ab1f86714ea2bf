package bench

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/tenancy"
)

const (
	patients  = "public.patients"
	lookSQL   = "select last_name, first_name, phone from phi.patients where id = any ($1)"
	naiveSQL  = "select last_name, first_name, phone from naive.patients where id = any ($1)"
	claimSQL  = "select set_config('request.jwt.claims', $1, true)"
	insertSQL = "insert into naive.audit_log (tenant_id, user_id, session_id, action, record_table, record_id, " +
		"purpose) select $1, $2, $3, 'view', 'public.patients', unnest($4::uuid[]), 'treatment'"
)

// Tenancy measures what reading and writing under ward costs, against what a careful team writes today: begin;
// set_config(claims); insert of the audit row; select under a policy on that setting; commit, as five statements one
// after the other, with the driver's prepared statements.
func Tenancy(ctx context.Context, o Options) ([]Figure, error) {
	s, err := start(ctx, o)
	if err != nil {
		return nil, err
	}
	defer s.remove()
	small, err := s.world(ctx, o, "small", 10, o.size(1000, 200))
	if err != nil {
		return nil, err
	}
	defer small.close()
	large, err := s.world(ctx, o, "large", 1000, o.size(100, 20))
	if err != nil {
		return nil, err
	}
	defer large.close()
	far, done, err := s.through(ctx, small, "small", 250*time.Microsecond)
	if err != nil {
		return nil, err
	}
	defer done()
	added, err := delayed(ctx, small, far)
	if err != nil {
		return nil, err
	}
	list := small.reads(o)
	list = append(list, comparison{figure: "single-record read, 0.5 ms of network delay per round trip", unit: "ms",
		against: "naive, five statements", target: 2, less: true,
		note: fmt.Sprintf("median latency, one connection; as measured, the proxy adds %.2f ms to a round trip", added),
		ward: far.latency(o, far.read(1)), other: far.latency(o, far.naiveRead(1))})
	updates, err := small.updates(ctx, o)
	if err != nil {
		return nil, err
	}
	list = append(list, updates...)
	list = append(list, small.scoped(o), small.worn(o), comparison{figure: "single-record read with 1,000 tenants",
		unit: "reads/s", against: "with 10 tenants", target: 0.95,
		ward: large.rate(o, large.read(1)), other: small.rate(o, small.read(1))})
	var out []Figure
	for _, c := range list {
		o.say("%s", c.figure)
		f, err := c.run(ctx, o)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

// delayed is how many milliseconds the proxy before far really adds to a round trip.
func delayed(ctx context.Context, near, far *world) (float64, error) {
	var took [2]float64
	for i, w := range []*world{near, far} {
		var err error
		if took[i], err = latency(ctx, 300*time.Millisecond, func(ctx context.Context, _, _ int) error {
			_, err := w.naive.Exec(ctx, "select 1")
			return err
		}); err != nil {
			return 0, fmt.Errorf("measure the proxy's delay: %w", err)
		}
	}
	return took[1] - took[0], nil
}

// act is one operation, of goroutine g for the n-th time.
type act = func(ctx context.Context, g, n int) error

func (w *world) rate(o Options, do act) side {
	return func(ctx context.Context) (float64, error) { return rate(ctx, connections, o.round(), do) }
}

func (w *world) latency(o Options, do act) side {
	return func(ctx context.Context) (float64, error) { return latency(ctx, o.round(), do) }
}

// pick is a clinic and some of its patients; consecutive calls differ.
func (w *world) pick(g, n, many int) (*clinic, []uuid.UUID) {
	k := g*7919 + n*31
	c := w.clinics[k%len(w.clinics)]
	from := (k / len(w.clinics)) % (len(c.ids) - many + 1)
	return c, c.ids[from : from+many]
}

func (w *world) reads(o Options) []comparison {
	const naive = "naive, five statements"
	return append(w.ofCPU(o, "single-record read", naive, w.read(1), w.naiveRead(1)), []comparison{
		{figure: "single-record read", unit: "reads/s", against: naive, target: 0.80, ward: w.rate(o, w.read(1)),
			other: w.rate(o, w.naiveRead(1))},
		{figure: "single-record read", unit: "reads/s", against: "naive, in one pipeline", ward: w.rate(o, w.read(1)),
			other: w.rate(o, w.naivePipelined(1)),
			note:  "for information: few write it so"},
		{figure: "50-record list read", unit: "reads/s", against: "naive, five statements, bulk insert", target: 1,
			ward: w.rate(o, w.read(50)), other: w.rate(o, w.naiveRead(50))},
	}...)
}

type patient struct{ Last, First, Phone string }

// read is ward's audited read of many records.
func (w *world) read(many int) act {
	return func(ctx context.Context, g, n int) error {
		c, ids := w.pick(g, n, many)
		var got []patient
		err := c.signedIn.Read(ctx, tenancy.Ask{Table: patients, IDs: ids, Purpose: "treatment"},
			tenancy.Collect(&got, pgx.RowToStructByPos[patient], lookSQL, ids))
		return complete(len(got), many, err)
	}
}

func complete(got, want int, err error) error {
	if err == nil && got != want {
		err = fmt.Errorf("%d records, want %d", got, want)
	}
	return err
}

func (w *world) naiveRead(many int) act {
	return func(ctx context.Context, g, n int) error {
		c, ids := w.pick(g, n, many)
		var got []patient
		err := pgx.BeginFunc(ctx, w.naive, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, claimSQL, c.claims); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, insertSQL, c.tenant, c.user, c.session, ids); err != nil {
				return err
			}
			rows, err := tx.Query(ctx, naiveSQL, ids)
			if err != nil {
				return err
			}
			got, err = pgx.CollectRows(rows, pgx.RowToStructByPos[patient])
			return err
		})
		return complete(len(got), many, err)
	}
}

func (w *world) naivePipelined(many int) act {
	return func(ctx context.Context, g, n int) error {
		c, ids := w.pick(g, n, many)
		var got []patient
		var b pgx.Batch
		b.Queue("begin")
		b.Queue(claimSQL, c.claims)
		b.Queue(insertSQL, c.tenant, c.user, c.session, ids)
		b.Queue(naiveSQL, ids).Query(func(rows pgx.Rows) error {
			var err error
			got, err = pgx.CollectRows(rows, pgx.RowToStructByPos[patient])
			return err
		})
		b.Queue("commit")
		err := w.naive.SendBatch(ctx, &b).Close()
		return complete(len(got), many, err)
	}
}

// updates compares writes. Every goroutine has a clinic of its own, so that no row is waited for.
func (w *world) updates(ctx context.Context, o Options) ([]comparison, error) {
	const (
		wardUpdate  = "update public.patients set phone = $2 where id = $1"
		plainUpdate = "update naive.plain set phone = $3 where tenant_id = $1 and id = $2"
	)
	disclosed := make([]uuid.UUID, connections)
	// ask anew before each round: a disclosure is for seconds
	renew := func(ctx context.Context) error {
		for g := range disclosed {
			c := w.clinics[g]
			disclosed[g] = uuid.New()
			if err := c.signedIn.Read(ctx,
				tenancy.Ask{ID: disclosed[g], Table: patients, IDs: c.ids[:100], Purpose: "treatment"}); err != nil {
				return err
			}
		}
		return nil
	}
	phone := func(n int) string { return fmt.Sprintf("555-%04d", n%10000) }
	changed := func(n int64, err error) error { return complete(int(n), 1, err) }
	under := func(ctx context.Context, g, n int) error {
		c := w.clinics[g]
		var rows int64
		err := c.signedIn.Again(ctx, disclosed[g], tenancy.Do(wardUpdate, c.ids[n%100], phone(n)).Affected(&rows))
		return changed(rows, err)
	}
	whole := func(ctx context.Context, g, n int) error {
		c := w.clinics[g]
		var rows int64
		ids := c.ids[n%100 : n%100+1]
		err := c.signedIn.Write(ctx, tenancy.Ask{Table: patients, IDs: ids, Purpose: "treatment"},
			tenancy.Do(wardUpdate, ids[0], phone(n)).Affected(&rows))
		return changed(rows, err)
	}
	three := func(ctx context.Context, g, n int) error {
		c := w.clinics[g]
		return pgx.BeginFunc(ctx, w.naive, func(tx pgx.Tx) error {
			tag, err := tx.Exec(ctx, plainUpdate, c.tenant, c.ids[n%100], phone(n))
			return changed(tag.RowsAffected(), err)
		})
	}
	alone := func(ctx context.Context, g, n int) error {
		c := w.clinics[g]
		tag, err := w.naive.Exec(ctx, plainUpdate, c.tenant, c.ids[n%100], phone(n))
		return changed(tag.RowsAffected(), err)
	}
	renewed := func(ctx context.Context) (float64, error) {
		if err := renew(ctx); err != nil {
			return 0, err
		}
		return rate(ctx, connections, o.round(), under)
	}
	const plain = "plain table, no audit: begin, update, commit"
	return append(after(renew, w.ofCPU(o, "update under a disclosure", plain, under, three)), []comparison{
		{figure: "update under a disclosure", unit: "updates/s", against: plain, target: 0.80, ward: renewed,
			other: w.rate(o, three)},
		{figure: "update under a disclosure", unit: "updates/s", against: "plain table, no audit: one statement",
			ward: renewed, other: w.rate(o, alone), note: "for information"},
		{figure: "ask and update", unit: "updates/s", against: plain, ward: w.rate(o, whole), other: w.rate(o, three),
			note: "for information"},
	}...), renew(ctx)
}

// after gives the comparisons with something that ward's side does before each round.
func after(first func(ctx context.Context) error, list []comparison) []comparison {
	for i, c := range list {
		list[i].ward = func(ctx context.Context) (float64, error) {
			if err := first(ctx); err != nil {
				return 0, err
			}
			return c.ward(ctx)
		}
	}
	return list
}

// scoped compares the select alone, within one open transaction of each side: a clinic's patients under the policies,
// and hand-written as superuser, whom no policy binds.
func (w *world) scoped(o Options) comparison {
	c := w.clinics[0]
	many := c.ids[:min(len(c.ids), 500)]
	within := func(ctx context.Context, tx pgx.Tx, sql string, args ...any) (float64, error) {
		return rate(ctx, 1, o.round(), func(ctx context.Context, _, _ int) error {
			rows, err := tx.Query(ctx, sql, args...)
			if err != nil {
				return err
			}
			got, err := pgx.CollectRows(rows, pgx.RowToStructByPos[patient])
			return complete(len(got), len(many), err)
		})
	}
	ward := func(ctx context.Context) (v float64, err error) {
		id := uuid.New()
		if err := c.signedIn.Read(ctx,
			tenancy.Ask{ID: id, Table: patients, IDs: many, Purpose: "operations"}); err != nil {
			return 0, err
		}
		err = c.signedIn.Tx(ctx, id, func(tx tenancy.Tx) error {
			const sql = "select last_name, first_name, phone from phi.patients"
			rows, err := tx.Query(ctx, "explain "+sql)
			if err != nil {
				return err
			}
			plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				return err
			}
			if !strings.Contains(strings.Join(plan, "\n"), "patients_pkey") ||
				strings.Contains(strings.Join(plan, "\n"), "Seq Scan") {
				return fmt.Errorf("the plan is no index scan:\n%s", strings.Join(plan, "\n"))
			}
			v, err = within(ctx, tx, sql)
			return err
		})
		return v, err
	}
	other := func(ctx context.Context) (v float64, err error) {
		err = pgx.BeginFunc(ctx, w.super, func(tx pgx.Tx) error {
			v, err = within(ctx, tx, "select last_name, first_name, phone from public.patients where tenant_id = $1 "+
				"and id = any ($2)", c.tenant, many)
			return err
		})
		return v, err
	}
	note := fmt.Sprintf("%d records in an open transaction; the plan is an index scan, or the benchmark fails; "+
		"the other side is the superuser, since FORCE binds the owner too", len(many))
	return comparison{figure: "select under the policies", unit: "selects/s",
		against: "hand-written tenant_id = $1, as superuser", target: 0.90, ward: ward, other: other, note: note}
}

// worn compares a session that has made many disclosures in the last minute with one that has made none.
func (w *world) worn(o Options) comparison {
	before := o.size(10000, 3000)
	done := false
	one := func(ctx context.Context, at *clinic) (float64, error) {
		return rate(ctx, connections, o.round(), func(ctx context.Context, g, n int) error {
			ids := at.ids[n%len(at.ids) : n%len(at.ids)+1]
			var got []patient
			err := at.signedIn.Read(ctx, tenancy.Ask{Table: patients, IDs: ids, Purpose: "treatment"},
				tenancy.Collect(&got, pgx.RowToStructByPos[patient], lookSQL, ids))
			return complete(len(got), 1, err)
		})
	}
	worn, fresh := w.clinics[1], w.clinics[2]
	return comparison{figure: fmt.Sprintf("read by a session after %d disclosures", before), unit: "reads/s",
		against: "by a session with few", target: 0.95,
		ward: func(ctx context.Context) (float64, error) {
			if !done {
				for n := range before {
					if err := worn.signedIn.Read(ctx, tenancy.Ask{Table: patients,
						IDs: worn.ids[n%len(worn.ids) : n%len(worn.ids)+1], Purpose: "treatment"}); err != nil {
						return 0, err
					}
				}
				done = true
			}
			return one(ctx, worn)
		},
		other: func(ctx context.Context) (float64, error) { return one(ctx, fresh) }}
}
