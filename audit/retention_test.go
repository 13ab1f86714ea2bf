package audit_test

import (
	"strings"
	"testing"

	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/internal/wardtest"
)

// Who keeps history for how long, and who holds it, is theirs whose grants say so; a retention only grows.
func TestRetentionIsTheirs(t *testing.T) {
	t.Parallel()
	e := wardtest.New(t)
	ctx := t.Context()
	root, dana := e.Reviewer("root"), e.Reviewer("dana")
	refusals := map[string]error{}
	refusals["dana sets a retention"] = dana.SetRetention(ctx, "cedar", 9, "a good reason")
	_, refusals["root holds"] = audit.PlaceHold(ctx, root, "cedar", "", "a good reason")
	_, refusals["ana holds"] = audit.PlaceHold(ctx, e.Reviewer("ana"), "cedar", "", "a good reason")
	_, refusals["omar holds"] = audit.PlaceHold(ctx, e.Reviewer("omar"), "cedar", "", "a good reason")
	for who, err := range refusals {
		if err == nil || !strings.Contains(err.Error(), "your grants do not let you") {
			t.Errorf("%s: %v", who, err)
		}
	}
	if err := root.SetRetention(ctx, "cedar", 9, "a good reason"); err != nil {
		t.Fatal(err)
	}
	for name, try := range map[string]func() error{
		"shrinks":          func() error { return root.SetRetention(ctx, "cedar", 8, "a good reason") },
		"beyond a century": func() error { return root.SetRetention(ctx, "cedar", 101, "a good reason") },
		"without a reason": func() error { return root.SetRetention(ctx, "cedar", 10, " ") },
		"hold on nothing": func() error {
			_, err := audit.PlaceHold(ctx, dana, "", "", "a good reason")
			return err
		},
		"hold on no month": func() error {
			_, err := audit.PlaceHold(ctx, dana, "", "2026-13", "a good reason")
			return err
		},
		"hold without reason": func() error { _, err := audit.PlaceHold(ctx, dana, "cedar", "", ""); return err },
		"lifting none": func() error {
			_, err := audit.LiftHold(ctx, dana, "00000000", "a good reason")
			return err
		},
		"lifting by little": func() error { _, err := audit.LiftHold(ctx, dana, "", "a good reason"); return err },
	} {
		if err := try(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if n := wardtest.One[int](e, "select retain_years from tenancy.tenant where slug = 'cedar'"); n != 9 {
		t.Errorf("kept for %d years", n)
	}
	id, err := audit.PlaceHold(ctx, dana, "cedar", "2026-01", "subpoena")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := audit.LiftHold(ctx, root, id.String(), "a good reason"); err == nil {
		t.Error("an administrator lifted a hold")
	}
	if _, err := audit.LiftHold(ctx, dana, id.String()[:8], "settled"); err != nil {
		t.Error(err)
	}
	if _, err := audit.LiftHold(ctx, dana, id.String(), "settled again"); err == nil {
		t.Error("a hold was lifted twice")
	}
}
