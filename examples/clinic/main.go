// Command clinic is a telehealth service in small, on ward's package tenancy alone: sign in, search for patients, open
// a chart, write a note, sign out. README.md shows it running; TestClinic runs this binary against a real database.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/tenancy"
)

// clinic keeps who is signed in: the browser holds a random key, the tokens stay here.
type clinic struct {
	db       *tenancy.DB
	sessions sync.Map // random key: *tenancy.Session
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := serve(ctx, os.Getenv("DATABASE_URL"), os.Getenv("LISTEN"))
	if stop(); err != nil {
		log.Fatal(err)
	}
}

// serve answers at address until ctx ends. It prints where, for an address that ends in :0.
func serve(ctx context.Context, url, address string) error {
	db, err := tenancy.Open(ctx, url) // postgres://ward_app@host/clinic
	if err != nil {
		return err
	}
	defer db.Close()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	fmt.Println("http://" + listener.Addr().String())
	c := &clinic{db: db}
	server := &http.Server{Handler: c.routes(), ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// handler is a call of somebody signed in. What it returns is sent once the database has committed that it was seen.
type handler func(r *http.Request, s *tenancy.Session) (any, error)

func (c *clinic) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /session", c.signIn)
	mux.HandleFunc("DELETE /session", c.signedIn(c.signOut))
	mux.HandleFunc("GET /patients", c.signedIn(search))
	mux.HandleFunc("GET /patients/{id}", c.signedIn(chart))
	mux.HandleFunc("POST /patients/{id}/notes", c.signedIn(writeNote))
	return mux
}

func (c *clinic) signIn(w http.ResponseWriter, r *http.Request) {
	var in struct{ User, Password, Clinic string }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4096)).Decode(&in); err != nil {
		http.Error(w, "user, password and clinic, as JSON", http.StatusBadRequest)
		return
	}
	tokens, err := c.db.SignIn(r.Context(),
		tenancy.Credentials{User: in.User, Password: in.Password, Tenant: in.Clinic})
	key := uuid.NewString()
	if err == nil {
		c.sessions.Store(key, tenancy.NewSession(c.db, tokens, time.Now, nil))
	}
	answer(w, map[string]string{"key": key}, err)
}

// signedIn finds the session by the key in "Authorization: Bearer KEY".
func (c *clinic) signedIn(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		found, _ := c.sessions.Load(key(r))
		s, ok := found.(*tenancy.Session)
		if !ok {
			http.Error(w, "sign in first", http.StatusUnauthorized)
			return
		}
		out, err := h(r, s)
		answer(w, out, err)
	}
}

func key(r *http.Request) string { return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ") }

// answer tells the caller what a refusal tells, and nothing that a database said.
func answer(w http.ResponseWriter, out any, err error) {
	var refused *tenancy.RefusedError
	var denied *tenancy.DeniedError
	switch {
	case errors.As(err, &refused):
		http.Error(w, "sign in first", http.StatusUnauthorized)
	case errors.As(err, &denied):
		http.Error(w, "not permitted", http.StatusForbidden)
	case errors.Is(err, errNotFound):
		http.Error(w, "not found", http.StatusNotFound)
	case err != nil:
		log.Print(err)
		http.Error(w, "it did not work", http.StatusInternalServerError)
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(out)
	}
}

var errNotFound = errors.New("not found")

func (c *clinic) signOut(r *http.Request, s *tenancy.Session) (any, error) {
	c.sessions.Delete(key(r))
	return struct{}{}, s.SignOut(r.Context())
}

type patient struct {
	ID    uuid.UUID `json:"id"`
	Name  string    `json:"name"`
	Notes []string  `json:"notes,omitempty"`
}

// search answers GET /patients?last_name=PREFIX.
func search(r *http.Request, s *tenancy.Session) (any, error) {
	found := []patient{}
	by := tenancy.Condition{Column: "last_name", Op: "starts_with", Value: r.FormValue("last_name")}
	err := s.Find(r.Context(), tenancy.Search{Table: "public.patients", Where: []tenancy.Condition{by},
		Order: "last_name", Purpose: "treatment"},
		tenancy.Collect(&found, pgx.RowToStructByPos[patient], selectPatients+" order by last_name"))
	return found, err
}

const selectPatients = "select id, first_name || ' ' || last_name, null::text[] from phi.patients"

// chart answers GET /patients/ID: the patient, and the notes as far as this person may see them.
func chart(r *http.Request, s *tenancy.Session) (any, error) {
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		return nil, errNotFound
	}
	var found []patient
	err = s.Read(r.Context(), tenancy.Ask{Table: "public.patients", IDs: []uuid.UUID{id}, Purpose: "treatment"},
		tenancy.Collect(&found, pgx.RowToStructByPos[patient], selectPatients))
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, errNotFound // nobody's, or another clinic's: the same to the caller
	}
	of := tenancy.Condition{Column: "patient_id", Op: "=", Value: id}
	err = s.Find(r.Context(), tenancy.Search{Table: "public.notes", Where: []tenancy.Condition{of}, Order: "created_at",
		Purpose: "treatment"},
		tenancy.Do("select coalesce(array_agg(body order by created_at), '{}') from phi.notes").Scan(&found[0].Notes))
	return found[0], err
}

// writeNote answers POST /patients/ID/notes with {"body": TEXT}.
func writeNote(r *http.Request, s *tenancy.Session) (any, error) {
	var in struct{ Body string }
	patientID, err := uuid.Parse(r.PathValue("id"))
	if err != nil || json.NewDecoder(r.Body).Decode(&in) != nil || in.Body == "" {
		return nil, errNotFound
	}
	id := uuid.New() // the caller chooses the id, and nothing comes back
	err = s.Write(r.Context(), tenancy.Ask{}, tenancy.Do("insert into public.notes (tenant_id, id, patient_id, "+
		"author_id, body) values (tenancy.tenant_id(), $1, $2, tenancy.user_id(), $3)",
		id, patientID, in.Body))
	return map[string]uuid.UUID{"id": id}, err
}
