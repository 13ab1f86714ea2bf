package tenancy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/queries"
)

// step is one statement on its way to the server.
type step struct {
	name    string // under which a connection keeps it prepared; "" where it is not kept
	sql     string
	caller  bool     // it is the caller's, not ward's
	proves  bool     // it takes the token itself, as its first parameter, and is a transaction of its own
	oids    []uint32 // of the parameters, where they are not left to the server
	params  [][]byte
	formats []int16 // of the parameters
	results []int16 // formats of the columns
}

// own is a statement of ward's with its parameters as text; nil is null.
func own(name string, oids []uint32, params ...[]byte) step {
	return step{name: "ward_" + name, sql: queries.Pipelined(name), oids: oids, params: params}
}

// script is what one pipeline does: transactions, each under its own begin. The server skips what follows an error, so
// a transaction runs only where those before it have committed.
type script struct {
	steps  []step
	strict bool  // an ask came before: what rests on it must not run where the identity is refused
	begins []int // steps that answer why an identity is refused
	ends   []int // steps that commit
}

func (s *script) add(steps ...step) { s.steps = append(s.steps, steps...) }

// transaction adds one transaction that does these steps under token and disclosure (uuid.Nil: none).
func (s *script) transaction(token string, disclosure uuid.UUID, steps ...step) {
	s.add(own("start", nil))
	s.begins = append(s.begins, len(s.steps))
	if len(steps) == 1 && steps[0].proves {
		steps[0].params[0] = []byte(token)
		s.strict = true
	} else {
		var under []byte
		if disclosure != uuid.Nil {
			under = []byte(disclosure.String())
		}
		s.add(own("begin", []uint32{pgtype.TextOID, pgtype.UUIDOID, pgtype.BoolOID}, []byte(token), under,
			strconv.AppendBool(nil, s.strict)))
	}
	s.add(steps...)
	s.ends = append(s.ends, len(s.steps))
	s.add(own("commit", nil))
}

// outcome is what the server answered.
type outcome struct {
	results  []*pgconn.Result // of the steps that were answered
	refused  string           // why the first identity that was refused was
	recorded bool             // and its event has been committed
}

// connState is what is known of a connection between its users.
type connState struct {
	prepared map[string]bool   // statements that it keeps, by name
	callers  map[string]string // names of the callers' among them, by text
	clean    bool              // it was wiped by the pipeline itself
}

// maxKept is how many of the callers' statements a connection keeps: tenancy.begin and the wipe look through all of
// them.
const maxKept = 20

// keep names a caller's statement under which the connection keeps it, or is to keep it from now on; "" where it may
// not be kept, or has not come often enough yet.
func (st *connState) keep(sql string, seen *description) string {
	if name, ok := st.callers[sql]; ok {
		return name
	}
	if !seen.settled || seen.uses.Load() < 3 || len(st.callers) >= maxKept {
		return ""
	}
	name := "ward_call" + strconv.Itoa(len(st.callers))
	st.callers[sql] = name
	return name
}

const connKey = "ward"

func stateOf(conn *pgconn.PgConn) *connState {
	st, ok := conn.CustomData()[connKey].(*connState)
	if !ok {
		st = &connState{prepared: map[string]bool{}, callers: map[string]string{}}
		conn.CustomData()[connKey] = st
	}
	return st
}

// descriptions keeps what the server said about the callers' statements, so that parameters and columns travel in their
// best formats without asking again.
type descriptions struct {
	mu    sync.Mutex
	known map[string]*description
}

// description of a statement's text.
type description struct {
	*pgconn.StatementDescription
	settled bool         // settled(text)
	uses    atomic.Int32 // how often it was sent
}

const maxDescriptions = 1000

func (d *descriptions) get(sql string) *description {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.known[sql]
}

func (d *descriptions) put(sql string, sd *pgconn.StatementDescription) *description {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known == nil || len(d.known) >= maxDescriptions {
		d.known = map[string]*description{}
	}
	d.known[sql] = &description{StatementDescription: sd, settled: settled(sql)}
	return d.known[sql]
}

// forget is for a table that changed since.
func (d *descriptions) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.known = nil
}

// prepare encodes the callers' statements, asking the server about those that it does not know yet. Nothing has an
// identity then.
func (db *DB) prepare(ctx context.Context, conn *pgxpool.Conn, types *pgtype.Map,
	statements []Statement) ([]step, error) {
	steps := make([]step, len(statements))
	st := stateOf(conn.Conn().PgConn())
	for i, s := range statements {
		sd := db.described.get(s.sql)
		if sd == nil {
			said, err := conn.Conn().PgConn().Prepare(ctx, "", s.sql, nil)
			if err != nil {
				return nil, fmt.Errorf("statement %d: %w", i+1, explain(err))
			}
			sd = db.described.put(s.sql, said)
		}
		sd.uses.Add(1)
		var b pgx.ExtendedQueryBuilder
		if err := b.Build(types, sd.StatementDescription, s.args); err != nil {
			// the driver's words repeat the value
			return nil, fmt.Errorf("parameters of statement %d do not fit it", i+1)
		}
		steps[i] = step{name: st.keep(s.sql, sd), sql: s.sql, caller: true, oids: sd.ParamOIDs, params: b.ParamValues,
			formats: b.ParamFormats, results: b.ResultFormats}
	}
	return steps, nil
}

// exchange sends everything in one message and reads the answers. The error is that of the step after the last result.
func (db *DB) exchange(ctx context.Context, conn *pgconn.PgConn, s *script) (out outcome, err error) {
	st, keeps := stateOf(conn), db.keeps.Load()
	st.clean = false
	steps := slices.Concat(s.steps, []step{own("wipe", nil)})
	p := conn.StartPipeline(ctx)
	var prepares []string // statements being prepared, "" for results
	for _, x := range steps {
		switch {
		case x.name == "" || !keeps:
			p.SendQueryParams(x.sql, x.params, x.oids, x.formats, x.results)
		default:
			if !st.prepared[x.name] {
				p.SendPrepare(x.name, x.sql, x.oids)
				prepares = append(prepares, x.name)
				st.prepared[x.name] = true // until the answer says otherwise
			}
			p.SendQueryPrepared(x.name, x.params, x.formats, x.results)
		}
		prepares = append(prepares, "")
	}
	err = p.Sync()
	for i := 0; err == nil && i < len(prepares); i++ {
		var answer any
		answer, err = p.GetResults()
		if rr, ok := answer.(*pgconn.ResultReader); ok {
			r := rr.Read()
			if err = r.Err; err == nil {
				out.results = append(out.results, r)
			}
		}
		if err != nil {
			for _, name := range prepares[i:] {
				delete(st.prepared, name)
			}
		}
	}
	_ = p.Close() // what went wrong is known; a connection out of step closes itself
	if len(out.results) >= len(s.steps) {
		// what the caller asked for is done; a wipe that failed is made up for when the connection is given back
		st.clean = err == nil && conn.TxStatus() == 'I' && wiped(out.results[len(s.steps)], len(st.prepared))
		err = nil
	}
	return out, err
}

// wiped reads what tenancy.wipe answered: nothing was prepared by SQL, there is no temporary schema (which
// tenancy.begin refuses for good), and what ward keeps is all there is.
func wiped(r *pgconn.Result, kept int) bool {
	return len(r.Rows) == 1 && string(r.Rows[0][0]) == "0 "+strconv.Itoa(kept)
}

// judge reads from the answers which identity was refused, and whether a caller's statement took the transaction into
// its own hands.
func (s *script) judge(out *outcome) error {
	for i, at := range s.begins {
		if at >= len(out.results) {
			break
		}
		rows := out.results[at].Rows
		if out.refused == "" && len(rows) == 1 && len(rows[0][0]) > 0 {
			out.refused = string(rows[0][0])
			out.recorded = s.ends[i] < len(out.results)
		}
	}
	for i, r := range out.results {
		if i >= len(s.steps) || !s.steps[i].caller {
			continue
		}
		switch r.CommandTag.String() {
		case "BEGIN", "START TRANSACTION", "COMMIT", "ROLLBACK", "PREPARE TRANSACTION":
			return errors.New("one of the statements was a begin, commit or rollback: leave those to ward")
		}
	}
	return nil
}

// cutShort says that a strict begin ended the script.
func (s *script) cutShort(out outcome, err error) bool {
	var denied *DeniedError
	return s.strict && out.refused == "" && errors.As(err, &denied) && denied.Code == CodeNotSignedIn &&
		slices.Contains(s.begins[1:], len(out.results))
}

// pipelined runs a script under the session's identity in one round trip: before are transactions that only ask,
// statements are the caller's and make the last one, except those that ask. The statements' results are taken when
// everything has committed and the connection has been given back.
func (s *Session) pipelined(ctx context.Context, disclosure uuid.UUID, before [][]step, statements []Statement) error {
	return s.withToken(ctx,
		func(token string) (string, error) { return s.pipeline(ctx, token, disclosure, before, statements) })
}

// pipeline is pipelined under a token; why the token was refused, "" when it was not. The refusal's event is committed.
func (s *Session) pipeline(ctx context.Context, token string, disclosure uuid.UUID, before [][]step,
	statements []Statement) (why string, err error) {
	types, ok := s.db.types.Get().(*pgtype.Map)
	if !ok {
		types = pgtype.NewMap()
	}
	defer s.db.types.Put(types)
	var run script
	out, err := s.db.send(ctx, func(conn *pgxpool.Conn) (*script, error) {
		steps, err := s.db.prepare(ctx, conn, types, statements)
		if err != nil {
			return nil, err
		}
		run = script{}
		for _, b := range before {
			run.transaction(token, disclosure, b...)
		}
		for len(steps) > 0 && statements[len(statements)-len(steps)].asks {
			run.transaction(token, disclosure, steps[0])
			run.strict, steps = true, steps[1:]
		}
		if len(steps) > 0 || len(before) == 0 {
			run.transaction(token, disclosure, steps...)
		}
		return &run, nil
	})
	if err != nil && run.cutShort(out, err) {
		var denied *DeniedError
		if errors.As(err, &denied) { // tenancy.begin's own answer, which it raised
			out.refused = strings.TrimPrefix(denied.Message, "refused: ")
		}
	}
	if out.refused != "" {
		if !out.recorded {
			// its event went back with the statements that failed for want of an identity
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
			defer cancel()
			why, err := s.identified(ctx, s.db.transact, token, disclosure, func(Tx) error { return nil })
			if err != nil {
				return out.refused, err
			}
			out.refused = cmp.Or(why, out.refused)
		}
		return out.refused, nil
	}
	if err != nil {
		return "", err
	}
	first := len(run.steps) - 1 - len(statements) // they stand before the last commit
	for i, x := range statements {
		if x.take == nil || x.asks {
			continue
		}
		if err := x.take(&kept{result: out.results[first+i], types: types}); err != nil {
			return "", fmt.Errorf("take result of statement %d: %w", i+1, err)
		}
	}
	return "", nil
}

// send runs a script on a connection of the pool and says what came of it.
func (db *DB) send(ctx context.Context, build func(*pgxpool.Conn) (*script, error)) (outcome, error) {
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return outcome{}, db.lost(ctx, nil, err)
	}
	defer conn.Release()
	run, err := build(conn)
	if err != nil {
		return outcome{}, db.lost(ctx, conn.Conn(), err)
	}
	out, err := db.exchange(ctx, conn.Conn().PgConn(), run)
	if judged := run.judge(&out); err == nil {
		err = judged
	}
	if err == nil {
		return out, nil
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) && len(out.results) == 0 && (pg.Code == "26000" || pg.Code == "42P05") {
		db.keeps.Store(false)
		// a pooler between gave this connection another server; nothing has run there, and nothing is kept any more
		_ = conn.Conn().Close(ctx)
		conn.Release()
		return db.send(ctx, build)
	}
	if errors.As(err, &pg) && stale(pg.Code) {
		db.described.forget()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
		defer cancel()
		_ = conn.Conn().Close(ctx) // what it keeps may be out of date too
	}
	if conn.Conn().PgConn().TxStatus() != 'I' && !conn.Conn().IsClosed() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
		defer cancel()
		// a connection that cannot is closed when it is given back
		_, _ = conn.Exec(ctx, "rollback", pgx.QueryExecModeSimpleProtocol)
	}
	return out, db.lost(ctx, conn.Conn(), explain(err))
}

// stale says that a statement's description proves to be out of date: its table changed.
func stale(code string) bool {
	switch code {
	case "08P01", "0A000", "42804", "22P03":
		return true
	}
	return false
}
