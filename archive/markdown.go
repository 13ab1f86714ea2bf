package archive

import (
	"fmt"
	"strings"
	"time"
)

// Statement is what a report on paper says besides the report itself.
type Statement struct {
	Who   string    // who ran the verification, and how that is known
	When  time.Time // when it ended
	Store string
	Keys  []Key // that were trusted
}

// Markdown writes the report for people, as one page: who verified what, when and with which key, every break, and what
// was not covered.
func (r *Report) Markdown(s Statement) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Verification of an audit archive: %s\n\n", r.Verdict)
	b.WriteString(map[Verdict]string{
		Valid: "Everything in scope was checked and holds: nothing in it was changed, removed, " +
			"added or reordered since it was sealed.",
		Invalid:   "Something was changed, removed or added. Each break is listed below.",
		NotProven: "Nothing wrong was found, but not everything in scope could be checked.",
	}[r.Verdict])
	if r.Verdict == Valid && !r.FreshnessProven {
		b.WriteString(" Freshness is not proven: no head was known from before, so nothing says how far the log " +
			"should reach.")
	}
	b.WriteString("\n\n| | |\n|---|---|\n")
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "| %s | %s |\n", name, cell(fmt.Sprintf(format, args...)))
	}
	row("by", "%s", s.Who)
	row("ended", "%s, after %s", s.When.UTC().Format("2006-01-02 15:04:05 UTC"), r.Duration.Round(time.Millisecond))
	row("store", "%s", s.Store)
	for _, k := range s.Keys {
		row("trusted key", "%s, %s", k.Name(), k.Fingerprint())
	}
	for _, h := range r.Heads {
		row("log", "%s, %d manifests, root %s, signed by %s", h.Origin, h.Size, h.Root, h.KeyFingerprint)
	}
	row("rows checked", "%d of %d tenants in %d parts, %d bytes", r.Rows, r.Tenants, len(r.Parts), r.Bytes)
	if !r.SealedFrom.IsZero() {
		row("sealed", "from %s to %s", r.SealedFrom.Format("2006-01-02 15:04:05 UTC"),
			r.SealedTo.Format("2006-01-02 15:04:05 UTC"))
	}
	r.markdownFindings(&b)
	list := func(title string, lines []string) {
		if len(lines) == 0 {
			return
		}
		fmt.Fprintf(&b, "\n## %s\n\n", title)
		for _, l := range lines {
			fmt.Fprintf(&b, "- %s\n", cell(l))
		}
	}
	list("Covered", r.Covered)
	list("Not covered", append(append([]string{}, r.NotCovered...),
		"whether what a row says is true: the archive proves that it was not changed after sealing"))
	return b.String()
}

func (r *Report) markdownFindings(b *strings.Builder) {
	if len(r.Findings) == 0 {
		return
	}
	fmt.Fprintf(b, "\n## Findings: %d\n\n| status | where | tenant, row | what | expected | found |\n"+
		"|---|---|---|---|---|---|\n", len(r.Findings))
	for _, f := range r.Findings {
		where := f.Tenant
		if f.Seq != 0 {
			where = fmt.Sprintf("%s, %d", f.Tenant, f.Seq)
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", f.Status, cell(f.Part), cell(where), cell(f.Message),
			cell(f.Expected), cell(f.Found))
	}
}

// cell keeps text of a store, which may be hostile, within its cell: on one line, without anything that Markdown or
// HTML would act on.
func cell(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r < 0x20 || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069:
			b.WriteByte(' ')
		case strings.ContainsRune("\\`*_[]<>|#!&", r):
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
