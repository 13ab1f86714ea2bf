package tenancy_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/tenancy"
)

// clinicForExample is a database with the clinic "cedar", where casey is a clinician and frank works at the front desk.
func clinicForExample(name string) (url string, cedar uuid.UUID, end func()) {
	e, end := wardtest.ForExample(name)
	return e.DB.DSN("ward_app"), e.TenantID("cedar"), end
}

// A clinician signs in, adds a patient, and reads the record back. The reading is an event before the name is shown.
func Example() {
	url, cedar, end := clinicForExample("Example")
	defer end()
	ctx := context.Background()

	db, err := tenancy.Open(ctx, url) // postgres://ward_app@host/clinic
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	tokens, err := db.SignIn(ctx, tenancy.Credentials{User: "casey", Password: wardtest.Password, Tenant: "cedar"})
	if err != nil {
		fmt.Println(err)
		return
	}
	session := tenancy.NewSession(db, tokens, time.Now, nil)

	patient := uuid.New() // the caller chooses the id of a new record
	err = session.Write(ctx, tenancy.Ask{}, tenancy.Do(
		"insert into public.patients (tenant_id, id, mrn, first_name, last_name) values ($1, $2, $3, $4, $5)",
		cedar, patient, "MRN-1", "Ada", "Nilsson"))
	if err != nil {
		fmt.Println(err)
		return
	}

	var name string
	ask := tenancy.Ask{Table: "public.patients", IDs: []uuid.UUID{patient}, Purpose: "treatment"}
	err = session.Read(ctx, ask,
		tenancy.Do("select first_name || ' ' || last_name from phi.patients where id = $1", patient).Scan(&name))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(name)
	// Output: Ada Nilsson
}

// A search is on record, also one that finds nothing. Its values are not: only keyed hashes of them are kept.
func ExampleSession_Find() {
	session, _, end := clinicianForExample("ExampleSession_Find", "Nilsson", "Nguyen", "Osei")
	defer end()

	var names []string
	search := tenancy.Search{
		Table:   "public.patients",
		Where:   []tenancy.Condition{{Column: "last_name", Op: "starts_with", Value: "N"}},
		Order:   "last_name",
		Purpose: "treatment",
	}
	err := session.Find(context.Background(), search,
		tenancy.Collect(&names, pgx.RowTo[string], "select last_name from phi.patients order by last_name"))
	fmt.Println(names, err)
	// Output: [Nguyen Nilsson] <nil>
}

// An existing record is changed under its disclosure: the ask names it, and the statement may then update it.
func ExampleSession_Write() {
	session, patients, end := clinicianForExample("ExampleSession_Write", "Nilsson")
	defer end()

	var changed int64
	ask := tenancy.Ask{Table: "public.patients", IDs: patients, Purpose: "treatment"}
	update := tenancy.Do("update public.patients set phone = $2 where id = $1", patients[0], "+1 555 0100")
	err := session.Write(context.Background(), ask, update.Affected(&changed))
	fmt.Println(changed, err)
	// Output: 1 <nil>
}

// A front desk opens appointments, not notes. The refusal is a [tenancy.DeniedError], and nothing was shown.
func ExampleDeniedError() {
	session, end := sessionForExample("ExampleDeniedError", "frank")
	defer end()

	ask := tenancy.Ask{Table: "public.notes", IDs: []uuid.UUID{uuid.New()}, Purpose: "treatment"}
	err := session.Read(context.Background(), ask)
	var denied *tenancy.DeniedError
	if errors.As(err, &denied) {
		fmt.Println("denied", denied.Code)
	}
	// Output: denied not_permitted
}

// clinicianForExample is casey's session at cedar, and patients of these last names there.
func clinicianForExample(name string, lastNames ...string) (*tenancy.Session, []uuid.UUID, func()) {
	e, end := wardtest.ForExample(name)
	session := e.App("casey", "cedar")
	ids := make([]uuid.UUID, len(lastNames))
	for i, n := range lastNames {
		ids[i] = e.Patient(session, "cedar", n)
	}
	return session, ids, end
}

func sessionForExample(name, user string) (*tenancy.Session, func()) {
	e, end := wardtest.ForExample(name)
	return e.App(user, "cedar"), end
}
