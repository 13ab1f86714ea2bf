package tenancy

import (
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Each answer that refuses an identity begins with a code of its own; Go has a name for each that a caller can see, and
// docs/ADOPTING.md lists them.
func TestRefusalsOfIdentitiesHaveCodes(t *testing.T) {
	// what only the event of a failed sign-in or refresh says: the caller gets one answer for all of them
	hidden := []string{"clinic_named", "never_fetched", "no_membership", "not_human", "session_ended", "token_reused",
		"too_many_failures", "unknown_token", "unknown_user", "wrong_password"}
	// answers with a type of their own in Go: ErrSecondFactor and ChoiceError
	typed := []string{"clinic_needed", "second_factor_needed", "second_factor_wrong"}
	answer := regexp.MustCompile(`'([a-z]+(?:_[a-z]+)+): [a-z%]`)
	found := map[string]bool{}
	err := fs.WalkDir(os.DirFS("../queries"), "functions/tenancy", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile("../queries/" + name)
		for _, m := range answer.FindAllStringSubmatch(string(text), -1) {
			found[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	docs, err := os.ReadFile("../docs/ADOPTING.md")
	if err != nil {
		t.Fatal(err)
	}
	named := slices.Concat(hidden, typed)
	for _, r := range refusals(t) {
		named = append(named, string(r))
	}
	for _, code := range named {
		if !found[code] {
			t.Errorf("nothing answers %s", code)
		}
		if listed := strings.Contains(string(docs), "| `"+code+"` |"); listed == slices.Contains(hidden, code) {
			t.Errorf("docs/ADOPTING.md: %s listed: %v", code, listed)
		}
		delete(found, code)
	}
	for code := range found {
		t.Errorf("%s has no name in codes.go", code)
	}
}

// refusals reads the names in codes.go.
func refusals(t *testing.T) []Refusal {
	t.Helper()
	text, err := os.ReadFile("codes.go")
	if err != nil {
		t.Fatal(err)
	}
	var all []Refusal
	for _, m := range regexp.MustCompile(`Refusal = "(\w+)"`).FindAllStringSubmatch(string(text), -1) {
		all = append(all, Refusal(m[1]))
	}
	return all
}

// What is no code: sentence is kept whole.
func TestRefusedFor(t *testing.T) {
	for answer, want := range map[string]RefusedError{
		"session_revoked: this session was revoked": {RefusedRevoked, "this session was revoked"},
		"a: b: c": {"a", "b: c"},
	} {
		if got := refusedFor(answer); *got != want {
			t.Errorf("%q: %+v", answer, got)
		}
	}
}

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
