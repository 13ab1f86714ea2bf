package messages

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const statements = `
-- raise exception 'in a comment' using hint = 'no';
create or replace function review.f(x int) returns void language plpgsql as $$
begin
  -- it's a comment, with an apostrophe
  if x > 1 then raise exception 'the anomaly''s state is %: claim it; then go on', x
    using errcode = 'WARD3', hint = 'ward queue claim ' || x || ' does it'; end if;
  raise exception '%', case when x = 1 then 'one is too few' else format('%s are too few', x) end
    using errcode = '22023';
end $$;
create function tenancy.g() returns text language plpgsql as $$
begin
  why := case when a !~ $re$--'[^\n]*$re$ then 'begin was not a select of its own'
    when a then 'the server''s clock was set back' when b then 'signature' end;
  select case when c then 'user disabled' when d then 'a.rank, a.id' end into why;
  return why;
end $$;
do $$ begin raise warning '% does not allow 100%%: see docs/SECURITY.md', current_user; end $$;
`

func TestRaised(t *testing.T) {
	want := []Message{
		{"review.f", "the anomaly's state is …: claim it; then go on", "ward queue claim … does it"},
		{"review.f", "one is too few", ""},
		{"review.f", "… are too few", ""},
		{"tenancy.g", "begin was not a select of its own", ""},
		{"tenancy.g", "the server's clock was set back", ""},
		{"tenancy.g", "user disabled", ""},
		{"tenancy.g", "… does not allow 100%: see docs/SECURITY.md", ""},
	}
	if got, err := raised(statements); err != nil || !slices.Equal(got, want) {
		t.Errorf("got\n%+v, %v\nwant\n%+v", got, err, want)
	}
}

const program = `package p
func f() error {
	_ = fmt.Errorf("write %q to %s: %w", a, b, err)
	_ = usagef("--limit is " + limits + "; --after continues")
	_ = list.New("not an error")
	a.say("it is %3.1f %% done", x)
	return codeError{3, "the archive is not valid"}
}
`

func TestGo(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"p.go": program,
		"p_test.go": strings.Replace(program, "write", "test", 1)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := []Message{
		{".", "--limit is …; --after continues", ""}, {".", "it is … % done", ""},
		{".", "the archive is not valid", ""}, {".", "write … to …: …", ""},
	}
	got, err := Go(dir, []string{"."})
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got\n%+v, %v\nwant\n%+v", got, err, want)
	}
}

func TestList(t *testing.T) {
	got := List([]Message{{"a.b_c", "one <two> *three*", "four"}, {"a.b_c", "five", ""}})
	if want := "\n### a.b_c\n\n- one \\<two\\> \\*three\\*\n  - Hint: four\n- five\n"; got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestLongItemsAreBroken(t *testing.T) {
	long := strings.Repeat("word ", 30)
	got := List([]Message{{"a", long, long}})
	for line := range strings.Lines(got) {
		if len(line) > lineWidth+1 {
			t.Errorf("wider than %d: %s", lineWidth, line)
		}
	}
	if strings.Count(got, "\n  word") != 1 || strings.Count(got, "\n    word") != 1 {
		t.Errorf("indented otherwise:\n%s", got)
	}
}
