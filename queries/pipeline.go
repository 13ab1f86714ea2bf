package queries

import (
	"embed"
	"strings"
)

//go:embed pipeline/*.sql
var pipeline embed.FS

// Pipelined is the text of a statement that package tenancy sends in a pipeline of its own, where sqlc's calls would each wait for an answer: start, commit, begin,
// disclose, export, find, evaluate.
func Pipelined(name string) string {
	b, err := pipeline.ReadFile("pipeline/" + name + ".sql")
	if err != nil {
		panic(err) // the names are constants of package tenancy, the files embedded above
	}
	return strings.TrimSpace(string(b))
}

// Wipe are the statements after which a connection holds nothing that its user could have left for the next one: what DISCARD ALL does, but for plans and for statements
// prepared through the protocol. docs/design/pipeline.md says why those may stay. The first answers how much it holds that is not to be
// wiped (statements prepared by SQL, a temporary schema), which must be none, and how many statements were prepared through the protocol.
func Wipe() []string {
	return strings.Split(Pipelined("wipe"), ";\n")
}
