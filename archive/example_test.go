package archive_test

import (
	"context"
	"fmt"
	"log"

	"github.com/ward-health/ward/archive"
)

// The archive of the examples, and its public key, which reaches an auditor by another way than the archive.
const (
	exampleArchive = "../testdata/archive/golden"
	exampleKey     = "ward/golden/eu+87902929+AWL1NdCSHqyfEVgWD322UDE/mHo2UlkOcUajTsQVecAV"
)

// openExample opens the archive and reads the public key.
func openExample() (archive.Store, archive.Key) {
	store, err := archive.OpenDir(exampleArchive)
	if err != nil {
		log.Fatal(err)
	}
	key, err := archive.ParseKey(exampleKey)
	if err != nil {
		log.Fatal(err)
	}
	return store, key
}

// An auditor verifies a copy of the archive with nothing but the public key: no database, no network.
func Example() {
	store, key := openExample()
	run := archive.NewVerification(store, archive.VerifyOptions{Keys: []archive.Key{key}})
	report, err := run.Run(context.Background())
	if err != nil {
		log.Fatal(err) // nothing is known; a broken archive is a report
	}
	fmt.Println(report.Verdict, report.Rows, "rows of", report.Tenants, "tenants")
	for _, f := range report.Findings {
		fmt.Println(f.Status, f.Part, f.Message)
	}
	// Without a head that was known before, nothing says how far the log should reach.
	fmt.Println("freshness proven:", report.FreshnessProven)
	// Output:
	// valid 116 rows of 3 tenants
	// freshness proven: false
}

// The auditor keeps the head of the last report. The next verification proves that the log has only grown since.
func ExampleVerification_Run_freshness() {
	store, key := openExample()
	ctx, keys := context.Background(), []archive.Key{key}
	last, err := archive.NewVerification(store, archive.VerifyOptions{Keys: keys}).Run(ctx)
	if err != nil {
		log.Fatal(err)
	}
	seen := [][]byte{[]byte(last.Head.Checkpoint)}
	report, err := archive.NewVerification(store, archive.VerifyOptions{Keys: keys, ExpectHeads: seen}).Run(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.Verdict, "freshness proven:", report.FreshnessProven)
	// Output: valid freshness proven: true
}

// One row is proven to somebody who has the public key and gets nothing else of the archive.
func ExampleProve() {
	store, key := openExample()
	row := archive.RowQuery{Tenant: "0a000000-0000-4000-8000-000000000001", Seq: 42}
	proof, err := archive.Prove(context.Background(), store, row, nil, key)
	if err != nil {
		log.Fatal(err)
	}
	file, err := proof.Marshal()
	if err != nil {
		log.Fatal(err)
	}
	report, err := archive.CheckProof(file, key) // anywhere, without the archive
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.Verdict, "row", report.Row.Seq, "of", report.Part, "in a log of", report.Head.Size)
	// Output: valid row 42 of v1/region=eu/month=2026-01/part-000002.parquet in a log of 8
}

// The newest rows of one tenant, read page by page from files that were checked against the signed log.
func ExampleReader_Select() {
	store, key := openExample()
	ctx := context.Background()
	reader, err := archive.OpenReader(ctx, store, "eu", key)
	if err != nil {
		log.Fatal(err)
	}
	defer reader.Close()
	rows, err := reader.Select(ctx, &archive.Selection{Tenant: "0b000000-0000-4000-8000-000000000002", Limit: 3})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range rows {
		fmt.Println(r.Row.Seq, r.Row.Action, r.Row.Outcome)
	}
	// Output:
	// 30 view ok
	// 29 export ok
	// 28 open ok
}
