package worker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"github.com/ward-health/ward/queries"
)

// Metrics are a worker's, in the form that Prometheus reads. What is about the installation (the queue, the lags) is
// asked of the database at each scrape, and is the same from every worker; what is counted (runs, failures) is this
// worker's own. Labels are names of queues, states and rules: no user, no clinic, no PHI. A nil Metrics counts nothing.
type Metrics struct {
	registry *prometheus.Registry
	pool     *pgxpool.Pool
	now      func() time.Time
	runs     *prometheus.CounterVec
	failures *prometheus.CounterVec
	upto     atomic.Int64 // the batch up to which this worker has shipped; -1: it has not
}

// The gauges; asked at each scrape.
type gauge struct {
	desc  *prometheus.Desc
	value float64
	label []string
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("ward_"+name, help, labels, nil)
}

// NewMetrics makes the metrics of a worker on a pool of ward_worker's.
func NewMetrics(pool *pgxpool.Pool, now func() time.Time) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(), pool: pool, now: now,
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ward_rule_runs_total",
			Help: "Runs of rules by this worker, by status."}, []string{"rule", "status"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ward_failures_total",
			Help: "What failed in this worker: seal, ship, locks, schedule, alert, scrape."}, []string{"what"}),
	}
	m.upto.Store(-1)
	for _, what := range []string{"seal", "ship", "locks", "schedule", "alert", "scrape"} {
		// there from the beginning: a counter that appears with its first failure has no increase to alert on
		m.failures.WithLabelValues(what)
	}
	m.registry.MustRegister(m.runs, m.failures, m)
	return m
}

func (m *Metrics) failed(what string) {
	if m != nil {
		m.failures.WithLabelValues(what).Inc()
	}
}

func (m *Metrics) ran(rule string, err error) {
	if m == nil {
		return
	}
	status := "ok"
	if err != nil {
		status = "error"
	}
	m.runs.WithLabelValues(rule, status).Inc()
}

func (m *Metrics) shipped(upto int64) {
	if m != nil {
		m.upto.Store(upto)
	}
}

// Describe sends nothing: the gauges are made at each scrape.
func (m *Metrics) Describe(chan<- *prometheus.Desc) {}

// scrapeTime bounds what a scrape asks of the database.
const scrapeTime = 5 * time.Second

// Collect asks the database for the gauges. Where that fails they are missing, and the failure is counted: an old value
// would look like a good one.
func (m *Metrics) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	gauges, err := m.gauges(ctx)
	if err != nil {
		m.failed("scrape")
		gauges = []gauge{{desc: describe("up", "Whether the database answered this scrape."), value: 0}}
	}
	for _, g := range gauges {
		out <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, g.value, g.label...)
	}
}

func (m *Metrics) gauges(ctx context.Context) ([]gauge, error) {
	q := queries.New(m.pool)
	age := func(at time.Time) float64 { return max(0, m.now().Sub(at).Seconds()) }
	all := []gauge{{desc: describe("up", "Whether the database answered this scrape."), value: 1}}
	jobs, err := q.JobCounts(ctx)
	if err != nil {
		return nil, fmt.Errorf("count jobs: %w", err)
	}
	dead := 0.0
	depth := describe("jobs", "Jobs that are not done, by queue and state.", "queue", "state")
	for _, j := range jobs {
		if j.State == "discarded" {
			dead += float64(j.Jobs)
			continue
		}
		all = append(all, gauge{desc: depth, value: float64(j.Jobs), label: []string{j.Queue, j.State}})
	}
	all = append(all, gauge{
		desc: describe("dead_jobs", "Jobs of which every attempt failed; ward worker jobs lists them."), value: dead})
	seal, err := oldest(age)(q.OldestUnsealed(ctx))
	if err != nil {
		return nil, fmt.Errorf("find the oldest unsealed event: %w", err)
	}
	all = append(all, gauge{desc: describe("seal_lag_seconds",
		"Age of the oldest event that has no place in the chain yet; 0: there is none."), value: seal})
	if upto := m.upto.Load(); upto >= 0 {
		ship, err := oldest(age)(q.OldestSealedAfter(ctx, upto))
		if err != nil {
			return nil, fmt.Errorf("find the oldest row that is not shipped: %w", err)
		}
		all = append(all, gauge{desc: describe("ship_lag_seconds", "Age of the oldest sealed row that this worker "+
			"has not shipped; only of a worker that ships."), value: ship})
	}
	alerts, err := m.alerts(ctx, q)
	if err != nil {
		return nil, err
	}
	all = append(all, alerts...)
	last, err := q.LastSuccesses(ctx)
	if err != nil {
		return nil, fmt.Errorf("find the rules' last runs: %w", err)
	}
	lag := describe("rule_lag_seconds", "Since a rule last ran with success, by whatever worker.", "rule")
	for _, r := range last {
		all = append(all, gauge{desc: lag, value: age(r.At), label: []string{r.ID}})
	}
	return all, nil
}

// alerts are what was not delivered, yet or at all.
func (m *Metrics) alerts(ctx context.Context, q *queries.Queries) ([]gauge, error) {
	rows, err := q.DeliveryCounts(ctx)
	if err != nil {
		return nil, fmt.Errorf("count deliveries of alerts: %w", err)
	}
	counts := map[string]float64{}
	wait := 0.0
	for _, r := range rows {
		counts[r.State] = float64(r.Deliveries)
		if r.State == "waiting" {
			wait = max(0, m.now().Sub(r.Oldest).Seconds())
		}
	}
	return []gauge{
		{desc: describe("alerts_waiting", "Deliveries of alerts that are not done."), value: counts["waiting"]},
		{desc: describe("alert_wait_seconds", "Age of the oldest delivery that waits; 0: none does."), value: wait},
		{desc: describe("alerts_failed",
			"Deliveries that failed for good within seven days; ward notify list shows them."),
			value: counts["failed"]},
	}, nil
}

// oldest is the age of what may not be there: then 0.
func oldest(age func(time.Time) float64) func(time.Time, error) (float64, error) {
	return func(at time.Time, err error) (float64, error) {
		if errors.Is(err, pgx.ErrNoRows) {
			return 0, nil
		}
		return age(at), err
	}
}

// Listen opens the address of the metrics. One without a host is this machine's loopback: what is open to the network
// is said so (0.0.0.0).
func Listen(ctx context.Context, addr string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("metrics address %q: %w", addr, err)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, fmt.Errorf("listen for metrics: %w", err)
	}
	return l, nil
}

// Serve answers GET /metrics on l until ctx ends.
func (m *Metrics) Serve(ctx context.Context, l net.Listener) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 2}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: scrapeTime, WriteTimeout: 2 * scrapeTime,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve metrics: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		return server.Close()
	})
	return g.Wait()
}
