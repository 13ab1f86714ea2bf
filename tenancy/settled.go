package tenancy

import "regexp"

// settling is a statement that means the same under every setting: names, parameters and signs, in ASCII. No string
// (standard_conforming_strings, datestyle, timezone), no comparison with NULL (transform_null_equals), no number except
// after limit and offset (extra_float_digits), no comment, which could hide one of these.
var settling = regexp.MustCompile(
	`^(?:(?i:limit|offset)\s+\d+\b|[A-Za-z_][A-Za-z0-9_]*|"[A-Za-z_][A-Za-z0-9_]*"|\$\d+\b|::|[\s(),.;=<>+*%\[\]-])*$`)

var null = regexp.MustCompile(`(?i)\bnull\b`)

// settled says that no setting of an earlier user of the connection can have changed what a kept statement means, or
// the constants in its plan. Only such a statement of a caller's is kept prepared: it is analysed and planned again
// whenever a table changes, in whichever user's transaction that happens to be.
func settled(sql string) bool { return settling.MatchString(sql) && !null.MatchString(sql) }
