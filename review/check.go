package review

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"
)

// forbidden is what a rule may not say: it reads, and it gives the same answer twice.
var forbidden = regexp.MustCompile(`(?i)\b(insert|update|delete|merge|truncate|drop|alter|create|grant|copy|now\s*\(|` +
	`clock_timestamp|transaction_timestamp|statement_timestamp|` +
	`current_timestamp|current_date|current_time|localtime|localtimestamp|timeofday|random\s*\(|random_normal|` +
	`gen_random_uuid|uuidv4|uuidv7|set_config|nextval|setval|dblink|pg_sleep\w*|lo_\w+|pg_read_\w+|query_to_xml)|;`)

// present are literals that stand for the time of the run.
var present = regexp.MustCompile(`(?i)'\s*(now|today|tomorrow|yesterday)\s*'`)

// disguise is quoting other than '...', in which a forbidden word could hide from the check.
var disguise = regexp.MustCompile(`(?i)\b(e|u&)'|\$\w*\$|"`)

var quoted = regexp.MustCompile(quotes)

// faults collects what is wrong with a rule, so that whoever writes it mends it in one go.
type faults []error

func (f *faults) bad(when bool, format string, args ...any) {
	if when {
		*f = append(*f, fmt.Errorf(format, args...))
	}
}

func (r *Rule) check(name string) error {
	var f faults
	f.bad(r.ID != name, "its id is %q, not the file's name", r.ID)
	f.bad(r.Version < 1, "version is missing")
	f.bad(r.Title == "", "title is missing")
	f.bad(!oneOf(r.Tier, "A", "B", "C", "S"), "tier is A, B, C or S")
	f.bad(!oneOf(r.Severity, "critical", "high", "medium", "low"), "severity is critical, high, medium or low")
	f.bad(!oneOf(r.Kind, kindFlag, kindFilter, kindWatch),
		"kind is flag, filter, or watch for a rule about the review itself")
	f.bad(!oneOf(r.Status, "experimental", "test", "stable", "deprecated"),
		"status is experimental, test, stable or deprecated")
	f.bad(blank(r.Citations), "it cites nothing")
	if r.Kind == kindFilter {
		f.bad(blank(r.Limits), "it names no limits: what it does not explain")
		f.bad(r.MaxNewPerRun != 0 || len(r.Entity) > 0 || r.Dedup != nil,
			"max_new_per_run, entity and dedup are a flag's")
	} else {
		f.bad(blank(r.FalsePositives), "it names no false positives")
		f.bad(len(r.Limits) > 0, "limits are a filter's")
		f.bad(r.MaxNewPerRun <= 0, "max_new_per_run is missing")
		f.bad(len(r.Entity) == 0 || r.Entity[0] != "tenant_id", "entity starts with tenant_id")
	}
	f.bad(r.Every <= 0, "every is missing")
	f.bad(r.Settle < 0, "settle is negative: nothing is examined before it is sealed")
	f.bad(r.Jitter < 0 || r.Jitter > r.Every, "jitter is from nothing to its period")
	f.bad(r.Timeout < 0 || time.Duration(r.Timeout) > longestRun, "timeout is at most %s", longestRun)
	f.bad(r.Reconcile < 0 || time.Duration(r.Reconcile) > longestReconcile, "reconcile is at most %s", longestReconcile)
	r.checkHead(&f)
	r.checkSQL(&f)
	return errors.Join(f...)
}

// checkHead looks at what a rule may leave out.
func (r *Rule) checkHead(f *faults) {
	if r.UUID != "" {
		id, err := uuid.Parse(r.UUID)
		f.bad(err != nil || id == uuid.Nil, "uuid %q is none", r.UUID)
	}
	for _, d := range []string{r.Created, r.Modified} {
		_, err := time.Parse(time.DateOnly, d)
		f.bad(d != "" && err != nil, "%q is no day: YYYY-MM-DD", d)
	}
	f.bad(r.Created != "" && r.Modified != "" && r.Modified < r.Created, "it was modified before it was created")
	for _, x := range r.Related {
		f.bad(x.ID == "" || x.ID == r.ID || !oneOf(x.Type, "similar", "derived", "obsolete", "merged", "renamed"),
			"related has %q as %q: another rule, as similar, derived, obsolete, merged or renamed", x.ID, x.Type)
	}
	for _, x := range r.References {
		f.bad(!strings.HasPrefix(x, "https://"), "reference %q is no https address", x)
	}
	if r.Dedup != nil {
		f.bad(r.Dedup.Window < 0, "dedup.window is negative")
		f.bad(r.Dedup.OnClosed == absorb && (r.Dedup.Window == 0 || r.Tier == "A"),
			"dedup absorbs within a window, and never what is of tier A")
		f.bad(!oneOf(r.Dedup.OnClosed, "", "new_linked", "absorb"), "dedup.on_closed is new_linked or absorb")
	}
}

func (r *Rule) checkSQL(f *faults) {
	known, needed := []string{"tenant_id", "actor_id", "patient_id"}, []string{"from", "to"}
	if r.Kind == kindWatch {
		known, needed = []string{"tenant_id", "what"}, []string{"now"}
	}
	for _, e := range r.Entity {
		f.bad(!oneOf(e, known...), "entity has %q: %s are known", e, strings.Join(known, ", "))
	}
	for _, b := range needed {
		f.bad(!oneOf(b, r.Binds...), "its SQL does not use :%s", b)
	}
	for _, b := range r.Binds {
		_, known := r.Params[b]
		f.bad(!known && !oneOf(b, "from", "to", "now"), "its SQL uses :%s, which is no parameter", b)
	}
	for p := range r.Params {
		f.bad(!oneOf(p, r.Binds...), "params has %s, which its SQL does not use", p)
	}
	code := quoted.ReplaceAllString(r.SQL, "''")
	for _, c := range quoted.FindAllString(r.SQL, -1) {
		// PostgreSQL's comments nest: what reads as one here could be code there
		f.bad(strings.HasPrefix(c, "/*") && strings.Contains(c[2:], "/*"), "its SQL has a comment within a comment")
	}
	f.bad(strings.Contains(code, "/*") || strings.Contains(code, "*/"),
		"its SQL has a comment that does not end, or does not begin")
	for _, x := range []string{forbidden.FindString(code), present.FindString(r.SQL)} {
		f.bad(x != "", "its SQL has %q: a rule is one statement that reads, and :now is the time", x)
	}
	if x := disguise.FindString(code); x != "" {
		f.bad(true, "its SQL quotes with %q: only '...' is understood here", x)
	}
	if r.Kind != kindWatch {
		r.checkTenants(f, code)
	}
}

var (
	// perTenant are the relations that hold several clinics' rows: each use of one is bound to a tenant.
	perTenant = regexp.MustCompile(`(?i)\b(?:from|join|,)\s+(?:lateral\s+)?((?:review|tenancy|` +
		`audit)\.[a-z_]+)(?:\s+(?:as\s+)?([a-z_][a-z0-9_]*))?`)
	tenantID = regexp.MustCompile(`(?i)\btenant_id\b`)
	// universal are those that hold no clinic's rows, or are asked for by the key of a row of one clinic.
	universal = []string{"tenancy.users", "tenancy.membership", "tenancy.tenant", "tenancy.region", "tenancy.setting",
		"tenancy.phi_table", "tenancy.permission", "review.rule", "review.run", "review.input"}
	reserved = []string{"where", "join", "left", "right", "full", "inner", "cross", "on", "using", "group", "order",
		"limit", "union", "natural", "offset", "having", "window"}
)

// checkTenants refuses SQL whose answer has no tenant, or in which a relation of several clinics stands that no
// tenant_id is compared for.
func (r *Rule) checkTenants(f *faults, code string) {
	f.bad(!tenantID.MatchString(code), "its SQL selects no tenant_id")
	uses := map[string]int{}
	for _, m := range perTenant.FindAllStringSubmatch(code, -1) {
		relation, alias := strings.ToLower(m[1]), strings.ToLower(m[2])
		if oneOf(relation, universal...) {
			continue
		}
		if alias == "" || oneOf(alias, reserved...) {
			alias = relation[strings.IndexByte(relation, '.')+1:]
		}
		uses[alias]++
		// an event is of one clinic, so its id binds too
		compared := regexp.MustCompile(`(?i)\b` + alias + `\.tenant_id\b|\busing\s*\([^)]*\btenant_id\b|\b` + alias +
			`\.\*|\b` + alias + `\.event_id\s*=\s*\w+\.event_id\b`)
		f.bad(len(compared.FindAllString(code, -1)) == 0,
			"its SQL reads %s as %s without %s.tenant_id: every join is within one clinic", relation, alias, alias)
	}
	f.bad(len(uses) == 0, "its SQL reads nothing of the log: review.access, review.staff_access or review.unexplained")
}
