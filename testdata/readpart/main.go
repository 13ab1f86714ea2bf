// Command readpart prints what the parts of an archive say about chosen events: one line each, event id, tenant,
// action, user and place in the chain. It rests on package archive alone, as an auditor's own program would, and needs
// no database.
//
//	go run ./testdata/readpart DIRECTORY EVENT...
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/ward-health/ward/archive"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: readpart DIRECTORY EVENT...")
		os.Exit(2)
	}
	if err := find(context.Background(), os.Stdout, os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "readpart:", err)
		os.Exit(1)
	}
}

func find(ctx context.Context, w io.Writer, dir string, events []string) error {
	store, err := archive.OpenDir(dir)
	if err != nil {
		return err
	}
	objects, err := store.List(ctx, "")
	if err != nil {
		return err
	}
	found := 0
	for _, o := range objects {
		if !strings.HasSuffix(o.Path, ".parquet") {
			continue
		}
		err := archive.ReadPart(ctx, store, o.Path, "", func(rows []archive.Row) error {
			for i := range rows {
				r := &rows[i]
				if slices.Contains(events, fmt.Sprint(r.EventID)) {
					found++
					fmt.Fprintf(w, "%d %s %s %s #%d\n", r.EventID, r.TenantID, r.Action, deref(r.UserID), r.Seq)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if found < len(events) {
		return fmt.Errorf("%d of %d events are in %s", found, len(events), dir)
	}
	return nil
}

func deref(s *string) string {
	if s == nil {
		return "-"
	}
	return *s
}
