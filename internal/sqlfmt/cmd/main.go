// Command sqlfmt formats ward's SQL: see package sqlfmt.
//
//	go run ./internal/sqlfmt/cmd [-l] [-d] [-w] PATH...
//
// A directory stands for every .sql file in it. Without a flag the result goes to standard output. -l lists the files
// that would change, -d shows how, -w writes them. With -l or -d the exit status is 1 if anything would change; it is 2
// if a file cannot be formatted.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/ward-health/ward/internal/sqlfmt"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

const (
	clean   = 0
	changed = 1
	failed  = 2
)

type options struct{ list, diff, write bool }

func run(args []string, out, errs io.Writer) int {
	flags := flag.NewFlagSet("sqlfmt", flag.ContinueOnError)
	flags.SetOutput(errs)
	var o options
	flags.BoolVar(&o.list, "l", false, "list the files that would change; exit status 1 if any would")
	flags.BoolVar(&o.diff, "d", false, "show what would change; exit status 1 if anything would")
	flags.BoolVar(&o.write, "w", false, "write the result to the file")
	if err := flags.Parse(args); err != nil {
		return failed
	}
	files, err := sqlFiles(flags.Args())
	if err != nil {
		fmt.Fprintln(errs, "sqlfmt:", err)
		return failed
	}
	status := clean
	for _, f := range files {
		differs, err := o.file(f, out, errs)
		switch {
		case err != nil:
			fmt.Fprintln(errs, "sqlfmt:", err)
			status = failed
		case differs && status == clean && (o.list || o.diff):
			status = changed
		}
	}
	return status
}

// sqlFiles are the files named, and those ending in .sql in the directories named.
func sqlFiles(paths []string) ([]string, error) {
	if len(paths) == 0 {
		return nil, errors.New("name at least one file or directory")
	}
	var out []string
	for _, path := range paths {
		err := filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && (name == path || strings.HasSuffix(name, ".sql")) {
				out = append(out, name)
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("finding SQL files: %w", err)
		}
	}
	return out, nil
}

// file formats one file; it says whether the result differs from it.
func (o options) file(name string, out, errs io.Writer) (bool, error) {
	src, err := os.ReadFile(name)
	if err != nil {
		return false, fmt.Errorf("reading SQL: %w", err)
	}
	res, err := sqlfmt.Format(src)
	if err != nil {
		return false, fmt.Errorf("%s: %w", name, err)
	}
	for _, n := range sqlfmt.LongLines(res) {
		fmt.Fprintf(errs, "%s:%d: longer than 120 columns, and cannot be broken\n", name, n)
	}
	differs := !bytes.Equal(src, res)
	if differs && o.list {
		fmt.Fprintln(out, name)
	}
	if differs && o.diff {
		_, err = out.Write(diff.Diff(name+".orig", src, name, res))
	}
	if differs && o.write {
		err = os.WriteFile(name, res, 0o644)
	}
	if !o.list && !o.diff && !o.write {
		_, err = out.Write(res)
	}
	if err != nil {
		return differs, fmt.Errorf("writing %s: %w", name, err)
	}
	return differs, nil
}
