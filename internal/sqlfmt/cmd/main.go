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
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/ward-health/ward/internal/sqlfmt"
)

func main() {
	var c command
	status := c.run(os.Args[1:])
	_, outErr := c.out.WriteTo(os.Stdout)
	_, errsErr := c.errs.WriteTo(os.Stderr)
	if outErr != nil || errsErr != nil {
		status = failed
	}
	os.Exit(status)
}

const (
	clean   = 0
	changed = 1
	failed  = 2
)

type command struct {
	list, diff, write bool
	out, errs         bytes.Buffer
}

// run formats what the arguments name; it returns the exit status.
func (c *command) run(args []string) int {
	flags := flag.NewFlagSet("sqlfmt", flag.ContinueOnError)
	flags.SetOutput(&c.errs)
	flags.BoolVar(&c.list, "l", false, "list the files that would change; exit status 1 if any would")
	flags.BoolVar(&c.diff, "d", false, "show what would change; exit status 1 if anything would")
	flags.BoolVar(&c.write, "w", false, "write the result to the file")
	if err := flags.Parse(args); err != nil {
		return failed
	}
	files, err := sqlFiles(flags.Args())
	if err != nil {
		fmt.Fprintln(&c.errs, "sqlfmt:", err)
		return failed
	}
	status := clean
	for _, f := range files {
		differs, err := c.file(f)
		switch {
		case err != nil:
			fmt.Fprintln(&c.errs, "sqlfmt:", err)
			status = failed
		case differs && status == clean && (c.list || c.diff):
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
func (c *command) file(name string) (bool, error) {
	src, err := os.ReadFile(name)
	if err != nil {
		return false, fmt.Errorf("reading SQL: %w", err)
	}
	res, err := sqlfmt.Format(src)
	if err != nil {
		return false, fmt.Errorf("%s: %w", name, err)
	}
	for _, n := range sqlfmt.LongLines(res) {
		fmt.Fprintf(&c.errs, "%s:%d: longer than 120 columns, and cannot be broken\n", name, n)
	}
	differs := !bytes.Equal(src, res)
	if differs && c.list {
		fmt.Fprintln(&c.out, name)
	}
	if differs && c.diff {
		c.out.Write(diff.Diff(name+".orig", src, name, res))
	}
	if !c.list && !c.diff && !c.write {
		c.out.Write(res)
	}
	if differs && c.write {
		if err := os.WriteFile(name, res, 0o644); err != nil {
			return differs, fmt.Errorf("writing SQL: %w", err)
		}
	}
	return differs, nil
}
