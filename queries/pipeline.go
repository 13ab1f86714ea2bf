package queries

import (
	"embed"
	"strings"
)

//go:embed pipeline/*.sql
var pipeline embed.FS

// Pipelined is the text of a statement that package tenancy sends in a pipeline of its own, where sqlc's calls would
// each wait for an answer: start, commit, begin, ask, export, find, evaluate, wipe.
func Pipelined(name string) string {
	b, err := pipeline.ReadFile("pipeline/" + name + ".sql")
	if err != nil {
		panic(err) // the names are constants of package tenancy, the files embedded above
	}
	return strings.TrimSpace(string(b))
}
