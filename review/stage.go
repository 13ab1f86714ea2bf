package review

import "regexp"

// Stages: what a rule reads must be there. Filters run first, then those that read what filters explained, then
// everything else.
const (
	stageFilter  = 1
	stageInherit = 2
	stageFlag    = 3
)

var readsExplained = regexp.MustCompile(`(?i)\breview\.(explanation|unexplained)\b`)

var readsActivity = regexp.MustCompile(`(?i)\breview\.(activity|activity_patient|usual)\b`)

// ReadsActivity says whether the rule asks what is usual: then the counts are brought up to where it reads.
func (r *Rule) ReadsActivity() bool {
	return readsActivity.MatchString(quoted.ReplaceAllString(r.SQL, ""))
}

// Explains says whether the rule is a filter.
func (r *Rule) Explains() bool { return r.Kind == kindFilter }

// ReadsExplained says whether the rule asks what filters explained: then it never reads beyond where they have been.
func (r *Rule) ReadsExplained() bool {
	return readsExplained.MatchString(quoted.ReplaceAllString(r.SQL, ""))
}

// Stage orders the rules of one run over the same events: 1 a filter, 2 a filter that reads what those explained, 3 the
// others.
func (r *Rule) Stage() int {
	switch {
	case !r.Explains():
		return stageFlag
	case r.ReadsExplained():
		return stageInherit
	}
	return stageFilter
}
