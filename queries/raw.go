package queries

import (
	_ "embed" // for the statement
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
)

//go:embed raw/sealed_rows.sql
var copySealedRows string

// CopySealedRows is the statement that sends a tenant's sealed rows in PostgreSQL's binary COPY format, in the order of the columns of raw/sealed_rows.sql. from and
// to are the least and greatest recorded_at of the rows.
func CopySealedRows(tenant uuid.UUID, first, last int64, from, to time.Time) string {
	at := func(t time.Time) string { return t.UTC().Format("'2006-01-02 15:04:05.000000+00'::timestamptz") }
	return strings.NewReplacer("$1", fmt.Sprintf("'%s'::uuid", tenant), "$2", fmt.Sprint(first), "$3", fmt.Sprint(last), "$4", at(from), "$5", at(to)).Replace(copySealedRows)
}
