package archive

import (
	"strings"
	"testing"
	"time"
)

func TestMarkdown(t *testing.T) {
	f := build(t)
	said := Statement{Who: "ana", When: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC), Store: f.store.String(),
		Keys: []Key{f.signer.Key()}}
	page := f.verify(t).Markdown(said)
	for _, want := range []string{"# Verification of an audit archive: valid\n", "Freshness is not proven",
		"| by | ana |", "2026-05-01 12:00:00 UTC", f.signer.Key().Fingerprint(),
		"| rows checked | 83 of 3 tenants in 6 parts", "\n## Covered\n", "\n## Not covered\n"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
	if strings.Contains(page, "## Findings") {
		t.Errorf("findings of a valid archive:\n%s", page)
	}
	f.overwrite(t, f.parts[1].Path, flip(f.read(t, f.parts[1].Path)))
	f.overwrite(t, "v1/region=eu/<img src=x onerror=alert(1)>|`x`\n# valid", []byte("hostile"))
	r := f.verify(t)
	page = r.Markdown(said)
	if got := strings.Count(page, "| FILE\\_MODIFIED |") + strings.Count(page, "| FILE_MODIFIED |"); got != 1 ||
		!strings.Contains(page, "archive: INVALID") {
		t.Errorf("%d modified files in\n%s", got, page)
	}
	for _, bad := range []string{"<img", "\n# valid", "`x`"} {
		if strings.Contains(strings.NewReplacer(`\<`, "", "\\`", "").Replace(page), bad) {
			t.Errorf("%q of the store's acts in the page:\n%s", bad, page)
		}
	}
	if n := strings.Count(page, "\n| "); n < len(r.Findings) {
		t.Errorf("%d rows for %d findings", n, len(r.Findings))
	}
}
