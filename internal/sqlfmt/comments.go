package sqlfmt

import (
	"regexp"
	"strings"
)

// verbatim are the lines of a comment that programs read, or that are laid out by hand: directives of goose and sqlc, lists,
// indented text, rules, tables.
var verbatim = regexp.MustCompile(`^(\+|name:|sqlc:|@|[-*•=#|]|[0-9]+[.)]\s|\s)`)

// wrapAll lays out comments that stand on lines of their own.
func wrapAll(rs []remark, indent int) []string {
	var out []string
	pad := strings.Repeat(" ", indent)
	for i := 0; i < len(rs); i++ {
		if rs[i].block {
			out = append(out, strings.Split(pad+rs[i].text, "\n")...)
			continue
		}
		if !isProse(rs[i].text) || indent+width(rs[i].text) <= columns {
			out = append(out, pad+rs[i].text)
			continue
		}
		text := body(rs[i].text)
		for i+1 < len(rs) && !rs[i+1].block && isProse(rs[i+1].text) {
			i++
			text += " " + body(rs[i].text)
		}
		for _, l := range wrap(text, columns-indent-3) {
			out = append(out, pad+"-- "+l)
		}
	}
	return out
}

func body(comment string) string { return strings.TrimSpace(strings.TrimPrefix(comment, "--")) }

// isProse says whether a comment may be broken anew: "-- " and a sentence.
func isProse(text string) bool {
	rest, ok := strings.CutPrefix(text, "--")
	if !ok || strings.TrimSpace(rest) == "" {
		return false
	}
	rest = strings.TrimPrefix(rest, " ")
	return !verbatim.MatchString(rest)
}

// wrap fills lines with words. No line begins with a word that would make it another kind of comment.
func wrap(text string, room int) []string {
	var out []string
	cur := ""
	words := strings.Fields(text)
	for i := 0; i < len(words); i++ {
		w := words[i]
		for i+1 < len(words) && verbatim.MatchString(words[i+1]+" ") {
			i++
			w += " " + words[i]
		}
		switch {
		case cur == "":
			cur = w
		case width(cur)+1+width(w) <= room:
			cur += " " + w
		default:
			out = append(out, cur)
			cur = w
		}
	}
	return append(out, cur)
}

func tailFits(l line) bool { return width(l.text)+2+width(l.trail) <= columns }

// render puts trailing comments behind their lines, or above them where they do not fit.
func (p *printer) render() string {
	var b strings.Builder
	for i, l := range p.lines {
		text := l.text
		if !l.glued && (i+1 == len(p.lines) || !p.lines[i+1].glued) {
			text = strings.TrimRight(text, " \t")
		}
		if l.trail != "" {
			if tailFits(l) || l.glued || !isProse(l.trail) {
				text += "  " + l.trail
			} else {
				indent := len(text) - len(strings.TrimLeft(text, " "))
				for _, c := range wrapAll([]remark{{text: l.trail}}, indent) {
					b.WriteString(c + "\n")
				}
			}
		}
		b.WriteString(text + "\n")
	}
	return b.String()
}
