package tenancy

import (
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Each refusal that ward's SQL raises has an SQLSTATE of the table, and each code stands in docs/SCRIPTING.md.
func TestRefusalsHaveCodes(t *testing.T) {
	raise := regexp.MustCompile(`(?s)raise exception (.*?);\n`)
	errcode := regexp.MustCompile(`errcode = '(\w{5})'`)
	used := map[string]int{}
	for _, dir := range []string{"functions", "triggers"} {
		err := fs.WalkDir(os.DirFS("../queries"), dir, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile("../queries/" + name)
			if err != nil {
				return err
			}
			body := regexp.MustCompile(`; end if;`).ReplaceAllString(string(text), ";\nend if;")
			for _, m := range raise.FindAllStringSubmatch(body, -1) {
				code := errcode.FindStringSubmatch(m[1])
				if code == nil {
					t.Errorf("queries/%s: a refusal without errcode: %s", name, m[1])
					continue
				}
				used[code[1]]++
				if codes[code[1]] == "" {
					t.Errorf("queries/%s: SQLSTATE %s has no code", name, code[1])
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for state := range codes {
		if strings.HasPrefix(state, "WARD") && used[state] == 0 {
			t.Errorf("nothing raises %s", state)
		}
	}
	docs, err := os.ReadFile("../docs/SCRIPTING.md")
	if err != nil {
		t.Fatal(err)
	}
	var named []Code
	for _, code := range codes {
		named = append(named, code)
	}
	slices.Sort(named)
	for _, code := range append(slices.Compact(named), CodeDatabase) {
		if !strings.Contains(string(docs), "| `"+string(code)+"` |") {
			t.Errorf("docs/SCRIPTING.md does not list the code %s", code)
		}
	}
	if sum := len(used); sum < 15 {
		t.Errorf("%d SQLSTATEs found: is the walk right?", sum)
	}
}
