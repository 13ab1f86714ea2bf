package review

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/google/uuid"
)

// RecordURL is an installation's template of where a record's chart is in the customer's own application, which audits
// that visit itself; empty: there is none. Its parts are {tenant} (short name), {table} (without the schema public) and
// {id}.
type RecordURL string

var urlField = regexp.MustCompile(`\{[^{}]*\}`)

// ParseRecordURL takes an https address with {id} in it, and perhaps {tenant} and {table}; http on the loopback
// interface too.
func ParseRecordURL(text string) (RecordURL, error) {
	if text == "" {
		return "", nil
	}
	for _, p := range urlField.FindAllString(text, -1) {
		if p != "{tenant}" && p != "{table}" && p != "{id}" {
			return "", fmt.Errorf("record_url: %s is none of {tenant}, {table}, {id}", p)
		}
	}
	_, rest, _ := strings.Cut(text, "://")
	authority, _, _ := strings.Cut(rest, "/")
	u, err := url.Parse(RecordURL(text).Of("t", "t", uuid.Nil))
	// what is put in chooses no host
	if err != nil || u.Host == "" || u.User != nil || strings.ContainsAny(authority, "{?#") {
		return "", fmt.Errorf("record_url: %q is no address like https://ehr.example.org/{tenant}/{table}/{id}", text)
	}
	if host := u.Hostname(); u.Scheme != "https" &&
		(u.Scheme != "http" || (host != "localhost" && host != "127.0.0.1" && host != "::1")) {
		return "", fmt.Errorf("record_url: only https, except on this machine's loopback address")
	}
	if !strings.Contains(text, "{id}") {
		return "", fmt.Errorf("record_url: without {id} it leads to no record")
	}
	return RecordURL(text), nil
}

// Of is a record's address, with what is put in escaped.
func (r RecordURL) Of(tenant, table string, id uuid.UUID) string {
	if r == "" {
		return ""
	}
	return strings.NewReplacer("{tenant}", url.PathEscape(tenant), "{table}",
		url.PathEscape(strings.TrimPrefix(table, "public.")), "{id}", id.String()).Replace(string(r))
}

// Link gives the patient and every record among the evidence their addresses.
func (d *Details) Link(template RecordURL) {
	if id := d.Anomaly.SubjectID; id != nil {
		d.ChartURL = template.Of(d.Anomaly.Tenant, "patients", *id)
	}
	for i := range d.Evidence {
		if e := &d.Evidence[i]; e.RecordID != nil && e.RecordTable != nil {
			e.RecordURL = template.Of(d.Anomaly.Tenant, *e.RecordTable, *e.RecordID)
		}
	}
}
