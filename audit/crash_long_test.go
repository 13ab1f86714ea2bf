//go:build long

package audit_test

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/internal/postgres"
	"github.com/ward-health/ward/tenancy"
)

const (
	randomCrashes = 200
	seedVariable  = "WARD_CRASH_SEED" // runs a seed again; what the clients had done by then is not repeated
)

// Several clients read and write all the time, each in a way of its own, and the server dies at a random moment, 200
// times, every second time with all clients at synchronous_commit = off. After each recovery every record that a client
// received has its event, and every write that was acknowledged under synchronous_commit = on is there with its own.
func TestRandomCrashes(t *testing.T) {
	seed := time.Now().UnixNano()
	if text := os.Getenv(seedVariable); text != "" {
		var err error
		if seed, err = strconv.ParseInt(text, 10, 64); err != nil {
			t.Fatalf("%s: %v", seedVariable, err)
		}
	}
	t.Logf("seed %d (run it again with %s=%d)", seed, seedVariable, seed)
	c := newCrasher(t, seed)
	var sum tally
	began := time.Now()
	for round := range randomCrashes {
		one := c.round(round%2 == 1)
		if one.lost > 0 || one.missing > 0 || one.torn > 0 {
			t.Fatalf("crash %d: %d records received without their event, %d acknowledged writes missing, "+
				"%d rows or events without the other", round, one.lost, one.missing, one.torn)
		}
		sum.add(one)
	}
	t.Logf("%d crashes in %s: %d records received, %d writes acknowledged, %d statements in flight at the kill",
		randomCrashes, time.Since(began).Round(time.Second), sum.received, sum.written, sum.inFlight)
	if sum.received < 20*randomCrashes || sum.written < randomCrashes || sum.inFlight < 2*randomCrashes {
		t.Fatal("too little was going on to show anything")
	}
	t.Run("works without the trigger", func(t *testing.T) {
		onCluster(t, c.cluster, postgres.SuperuserRole, "ward",
			func(conn *pgx.Conn) { run(t, conn, "drop trigger durable on audit.ask"); run(t, conn, "checkpoint") })
		for crash := range 20 {
			if one := c.round(true); one.lost > 0 {
				t.Logf("crash %d lost the events of %d records received", crash, one.lost)
				return
			}
		}
		t.Fatal("does not: 20 crashes lost no event")
	})
}

// tally counts what one round, or all of them, showed.
type tally struct {
	// records that came, writes acknowledged under synchronous_commit = on, transactions cut off
	received, written, inFlight int
	// records without event, acknowledged writes that are gone, rows without event or events without row
	lost, missing, torn int
}

func (t *tally) add(o tally) {
	t.received += o.received
	t.written += o.written
	t.inFlight += o.inFlight
}

// crasher is a server that is killed again and again, and what its clients hold.
type crasher struct {
	t        *testing.T
	cluster  *postgres.Cluster
	random   *rand.Rand
	cedar    uuid.UUID
	tokens   []tenancy.Tokens // one session for each client
	patients []uuid.UUID
}

func newCrasher(t *testing.T, seed int64) *crasher {
	cluster, cedar := crashCluster(t,
		map[string]string{"recovery_init_sync_method": "syncfs", "checkpoint_timeout": "1h"})
	c := &crasher{t: t, cluster: cluster, cedar: cedar, random: rand.New(rand.NewPCG(uint64(seed), 0))}
	for range len(ways) + 1 {
		c.tokens = append(c.tokens, signInTokens(t, cluster))
	}
	c.patients = insertPatients(t, cluster, c.tokens[0].Access, cedar, 40)
	onCluster(t, cluster, postgres.SuperuserRole, "ward", func(conn *pgx.Conn) { run(t, conn, "checkpoint") })
	return c
}

// trail is what the clients of one round received and wrote.
type trail struct {
	mu       sync.Mutex
	looks    map[uuid.UUID]int // disclosure id: records received under it
	written  []uuid.UUID       // acknowledged under synchronous_commit = on
	tried    []uuid.UUID
	cut      atomic.Int64 // transactions that the crash cut off
	progress chan struct{}
}

func (r *trail) looked(d uuid.UUID, n int) {
	r.mu.Lock()
	r.looks[d] = n
	r.mu.Unlock()
	select {
	case r.progress <- struct{}{}:
	default:
	}
}

// round runs the clients until each had time for some reads, kills the server at a random moment, recovers it and
// counts.
func (c *crasher) round(off bool) tally {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	r := &trail{looks: map[uuid.UUID]int{}, progress: make(chan struct{}, 1)}
	var clients sync.WaitGroup
	for i, way := range ways {
		commit := "off"
		if !off {
			commit = []string{"on", "local", "remote_write", "on"}[i%4]
		}
		seed := c.random.Uint64()
		clients.Go(func() { c.read(ctx, r, way, commit, c.tokens[i], seed) })
	}
	clients.Go(func() { c.write(ctx, r, off, c.tokens[len(ways)]) })
	for range 1 + c.random.IntN(12) { // a moment in the stream of reads, and then one between two of them
		select {
		case <-r.progress:
		case <-ctx.Done():
			c.t.Fatal("no client reads")
		}
	}
	<-time.After(time.Duration(c.random.IntN(8000)) * time.Microsecond)
	if err := c.cluster.Kill(ctx); err != nil {
		c.t.Fatal(err)
	}
	clients.Wait()
	if err := c.cluster.Start(ctx); err != nil {
		c.t.Fatal(err)
	}
	return c.count(r)
}

func (c *crasher) read(ctx context.Context, r *trail, way way, commit string, tokens tenancy.Tokens, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 1))
	client, err := way(ctx, c.cluster.DSN("ward_app", "ward")+"&synchronous_commit="+commit, tokens)
	if err != nil {
		return // the server died before
	}
	defer client.close()
	for {
		from := random.IntN(len(c.patients) - 5)
		d, got, err := client.look(ctx, c.patients[from:from+1+random.IntN(5)])
		if got > 0 {
			r.looked(d, got)
		}
		if err != nil {
			r.cut.Add(1)
			return
		}
	}
}

func (c *crasher) write(ctx context.Context, r *trail, off bool, tokens tenancy.Tokens) {
	commit := "on"
	if off {
		commit = "off"
	}
	conn, err := pgx.Connect(ctx, c.cluster.DSN("ward_app", "ward")+"&synchronous_commit="+commit)
	if err != nil {
		return
	}
	defer conn.Close(ctx)
	for {
		id := uuid.New()
		r.mu.Lock()
		r.tried = append(r.tried, id)
		r.mu.Unlock()
		err := inTransaction(ctx, conn, tokens.Access, uuid.Nil, func() error {
			_, err := conn.Exec(ctx, "insert into public.patients (tenant_id, id, mrn, first_name, last_name) "+
				"values ($1, $2, 'm', 'f', 'Canary')", c.cedar, id)
			return err
		})
		if err != nil {
			r.cut.Add(1)
			return
		}
		if !off {
			r.mu.Lock()
			r.written = append(r.written, id)
			r.mu.Unlock()
		}
	}
}

// count holds what the clients had against what the recovered database knows.
func (c *crasher) count(r *trail) tally {
	c.t.Helper()
	sum := tally{written: len(r.written), inFlight: int(r.cut.Load())}
	disclosures := make([]uuid.UUID, 0, len(r.looks))
	for d, n := range r.looks {
		disclosures = append(disclosures, d)
		sum.received += n
	}
	onCluster(c.t, c.cluster, postgres.SuperuserRole, "ward", func(conn *pgx.Conn) {
		ctx := c.t.Context()
		rows, err := conn.Query(ctx, "select disclosure_id, count(*)::int from audit.event where action = 'view' "+
			"and disclosure_id = any($1) group by 1", disclosures)
		if err != nil {
			c.t.Fatal(err)
		}
		known := map[uuid.UUID]int{}
		var d uuid.UUID
		var n int
		if _, err := pgx.ForEachRow(rows, []any{&d, &n}, func() error { known[d] = n; return nil }); err != nil {
			c.t.Fatal(err)
		}
		for d, n := range r.looks {
			sum.lost += max(0, n-known[d])
		}
		err = conn.QueryRow(ctx, `select count(*) filter (where w.id = any($2)
			and (p.id is null or e.record_id is null)), count(*) filter (where (p.id is null) <> (e.record_id is null))
			from unnest($1::uuid[]) w(id) left join public.patients p on p.id = w.id left join audit.event e
				on e.record_id = w.id and e.action = 'create'`, r.tried, r.written).Scan(&sum.missing, &sum.torn)
		if err != nil {
			c.t.Fatal(err)
		}
	})
	return sum
}
