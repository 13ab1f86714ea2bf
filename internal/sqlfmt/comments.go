package sqlfmt

import (
	"regexp"
	"strings"
)

// verbatim are the lines of a comment that programs read, or that are laid out by hand: directives of goose and sqlc,
// lists, indented text, rules, tables.
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
		filled := widest(rs[i:])
		for i+1 < len(rs) && !rs[i+1].block && isProse(rs[i+1].text) && !endsEarly(rs[i].text, rs[i+1].text, filled) {
			i++
			text += " " + body(rs[i].text)
		}
		for _, l := range wrap(text, columns-indent-3) {
			out = append(out, pad+"-- "+l)
		}
	}
	return out
}

// widest is the width of the widest line of a paragraph: how far its author filled the lines.
func widest(rs []remark) int {
	w := 0
	for _, r := range rs {
		if r.block || !isProse(r.text) {
			break
		}
		w = max(w, width(r.text))
	}
	return w
}

// endsEarly says whether the author began a new line after a sentence although there was room for its next word.
func endsEarly(this, next string, filled int) bool {
	first, _, _ := strings.Cut(body(next), " ")
	return strings.HasSuffix(this, ".") && width(this)+1+width(first) <= filled
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
	at := p.columnsOfComments()
	for i, l := range p.lines {
		text := l.text
		if !l.glued && (i+1 == len(p.lines) || !p.lines[i+1].glued) {
			text = strings.TrimRight(text, " \t")
		}
		if l.trail != "" {
			if tailFits(l) || l.glued || !isProse(l.trail) {
				text += strings.Repeat(" ", max(2, at[i]-width(text))) + l.trail
			} else {
				for _, c := range wrapAll([]remark{{text: l.trail}}, indentation(text)) {
					b.WriteString(c + "\n")
				}
			}
		}
		b.WriteString(text + "\n")
	}
	return b.String()
}

func indentation(text string) int { return len(text) - len(strings.TrimLeft(text, " ")) }

// uneven is how far the ends of lines may lie apart for their comments to stand below each other.
const uneven = 24

// columnsOfComments aligns the trailing comments of lines that follow each other at one indentation, where there is
// room.
func (p *printer) columnsOfComments() []int {
	at := make([]int, len(p.lines))
	for from := 0; from < len(p.lines); {
		to := from
		least, most, longest := columns, 0, 0
		for ; to < len(p.lines) && p.lines[to].alignable(p.lines[from]); to++ {
			w := width(p.lines[to].text)
			least, most, longest = min(least, w), max(most, w), max(longest, width(p.lines[to].trail))
		}
		if to-from > 1 && most-least <= uneven && most+2+longest <= columns {
			for i := from; i < to; i++ {
				at[i] = most + 2
			}
		}
		from = max(to, from+1)
	}
	return at
}

func (l line) alignable(first line) bool {
	return l.trail != "" && !l.glued && tailFits(l) && indentation(l.text) == indentation(first.text)
}
