package tui

import "charm.land/lipgloss/v2"

// styles are the few looks there are. Colours are the terminal's own sixteen, so that its palette decides; each state
// is a word and a glyph first.
type styles struct {
	plain, dim, bold, accent, good, warn, bad, cursor lipgloss.Style
}

func newStyles() *styles {
	s := lipgloss.NewStyle()
	return &styles{
		plain:  s,
		dim:    s.Faint(true),
		bold:   s.Bold(true),
		accent: s.Foreground(lipgloss.Cyan),
		good:   s.Foreground(lipgloss.Green),
		warn:   s.Foreground(lipgloss.Yellow),
		bad:    s.Foreground(lipgloss.Red),
		cursor: s.Reverse(true),
	}
}

// severity is the glyph and word of a severity, with its look.
func (st *styles) severity(s string) (glyph, word string, look lipgloss.Style) {
	switch s {
	case "critical":
		return "▲", "crit", st.bad
	case "high":
		return "◆", "high", st.warn
	case "medium":
		return "●", "med", st.plain
	default:
		return "○", s, st.dim
	}
}

// state is the glyph and words of an anomaly's state.
func state(s string) string {
	switch s {
	case "new":
		return "· new"
	case "claimed":
		return "◐ claimed"
	case "in_review":
		return "◐ in review"
	case "waiting_info":
		return "◌ waiting"
	case "pending_approval":
		return "◑ to approve"
	case "closed":
		return "✓ closed"
	case "escalated":
		return "! escalated"
	case "suppressed":
		return "– suppressed"
	case "merged":
		return "– merged"
	}
	return s
}
