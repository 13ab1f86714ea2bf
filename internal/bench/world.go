package bench

import (
	"context"
	_ "embed" // for tenancy.sql
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/internal/postgres"
	"github.com/ward-health/ward/internal/worker"
	"github.com/ward-health/ward/tenancy"
)

//go:embed tenancy.sql
var clinicsSQL string

// server is a private server for the length of a benchmark.
type server struct {
	cluster *postgres.Cluster
	dir     string
	remove  func()
}

// start makes a server with fsync on and the settings of ward's embedded default.
func start(ctx context.Context, o Options) (*server, error) {
	o.say("starting a private server")
	cluster, remove, err := postgres.Temporary(ctx, "bench", postgres.Config{Fsync: true})
	if err != nil {
		return nil, err
	}
	return &server{cluster: cluster, dir: cluster.Dir(), remove: remove}, nil
}

// clinic is one tenant with its clinician signed in.
type clinic struct {
	tenant, user, session uuid.UUID
	claims                string // the naive side's setting
	ids                   []uuid.UUID
	signedIn              *tenancy.Session
}

// world is a database with clinics, and both sides' pools on it.
type world struct {
	super   *pgxpool.Pool
	ward    *tenancy.DB
	naive   *pgxpool.Pool
	clinics []*clinic
}

// connections is how many each side has.
const connections = 4

func (s *server) world(ctx context.Context, o Options, name string, tenants, patients int) (_ *world, err error) {
	o.say("%d tenants with %d patients each", tenants, patients)
	if err := s.exec(ctx, s.cluster.Superuser(), "create database "+pgx.Identifier{name}.Sanitize()); err != nil {
		return nil, err
	}
	super := s.cluster.DSN(postgres.SuperuserRole, name)
	if _, err := worker.Migrate(ctx, super); err != nil {
		return nil, err
	}
	admin, err := tenancy.Open(ctx, super)
	if err != nil {
		return nil, err
	}
	_, err = admin.Init(ctx,
		tenancy.Installation{Region: "bench", Slug: "root", Name: "Root", Password: uuid.NewString()})
	admin.Close()
	if err != nil {
		return nil, err
	}
	load := fmt.Sprintf("set bench.tenants = %d; set bench.patients = %d; %s", tenants, patients, clinicsSQL)
	if err := s.exec(ctx, super, load); err != nil {
		return nil, fmt.Errorf("load clinics: %w", err)
	}
	if err := s.exec(ctx, super, "vacuum analyze"); err != nil {
		return nil, err
	}
	w := &world{}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if w.super, err = pgxpool.New(ctx, super); err != nil {
		return nil, fmt.Errorf("connect as superuser: %w", err)
	}
	app := s.cluster.DSN("ward_app", name)
	if w.ward, err = tenancy.Open(ctx, app+"&pool_max_conns="+strconv.Itoa(connections)); err != nil {
		return nil, err
	}
	if w.naive, err = pgxpool.New(ctx, app+"&pool_max_conns="+strconv.Itoa(connections)); err != nil {
		return nil, fmt.Errorf("connect the naive side: %w", err)
	}
	err = w.signIn(ctx)
	return w, err
}

// signIn gives every clinic's clinician a token of ten minutes; the benchmark's sessions cannot refresh.
func (w *world) signIn(ctx context.Context) error {
	rows, err := w.super.Query(ctx, `select s.tenant_id, s.user_id, s.session_id,
		(tenancy.mint(s, s.issued[1])).access_token, (select array_agg(p.id) from public.patients p
		where p.tenant_id = s.tenant_id)
		from tenancy.session s where s.tenant_id is not null`)
	if err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	w.clinics, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (*clinic, error) {
		var c clinic
		var token string
		if err := row.Scan(&c.tenant, &c.user, &c.session, &token, &c.ids); err != nil {
			return nil, err
		}
		c.claims = fmt.Sprintf(`{"tid": %q, "sub": %q, "sid": %q}`, c.tenant, c.user, c.session)
		c.signedIn = tenancy.NewSession(w.ward, tenancy.Tokens{Access: token}, time.Now, nil)
		return &c, nil
	})
	if err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	return nil
}

// through is the same world as seen through a delaying proxy.
func (s *server) through(ctx context.Context, w *world, name string,
	oneWay time.Duration) (_ *world, done func(), err error) {
	at, err := pgx.ParseConfig(s.cluster.DSN("ward_app", name))
	if err != nil {
		return nil, nil, fmt.Errorf("parse server's address: %w", err)
	}
	dir, err := os.MkdirTemp("", "ward-far-")
	if err != nil {
		return nil, nil, fmt.Errorf("make directory for the proxy: %w", err)
	}
	p, err := newProxy(ctx, filepath.Join(dir, ".s.PGSQL.5432"),
		filepath.Join(at.Host, ".s.PGSQL."+strconv.Itoa(int(at.Port))), oneWay)
	if err != nil {
		return nil, nil, err
	}
	far := &world{super: w.super}
	done = func() {
		far.super = nil
		far.close()
		p.close()
		_ = os.RemoveAll(dir)
	}
	url := fmt.Sprintf("postgres://ward_app@/%s?host=%s&port=5432&sslmode=disable", name, dir)
	if far.ward, err = tenancy.Open(ctx, url); err == nil {
		far.naive, err = pgxpool.New(ctx, url)
	}
	if err == nil {
		err = far.signIn(ctx)
	}
	if err != nil {
		done()
		return nil, nil, err
	}
	return far, done, nil
}

func (w *world) close() {
	if w.ward != nil {
		w.ward.Close()
	}
	for _, p := range []*pgxpool.Pool{w.naive, w.super} {
		if p != nil {
			p.Close()
		}
	}
}

func (s *server) exec(ctx context.Context, dsn, sql string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return fmt.Errorf("connect as superuser: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("prepare the benchmark: %w", err)
	}
	return nil
}
