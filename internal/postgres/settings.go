package postgres

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// defaultSettings suit a laptop and keep values of rows out of the server's
// log: a message of level ERROR may quote a value ("invalid input syntax for
// type date: ..."), its DETAIL a whole row, its STATEMENT the literals.
var defaultSettings = map[string]string{
	"shared_buffers":                    "256MB",
	"max_wal_size":                      "2GB",
	"wal_level":                         "replica",
	"max_connections":                   "100",
	"max_prepared_transactions":         "0",
	"password_encryption":               "scram-sha-256",
	"timezone":                          "UTC",
	"datestyle":                         "ISO, MDY",
	"log_timezone":                      "UTC",
	"log_line_prefix":                   "%m [%p] ",
	"log_min_messages":                  "log",
	"log_min_error_statement":           "panic",
	"log_error_verbosity":               "terse",
	"log_statement":                     "none",
	"log_min_duration_statement":        "-1",
	"log_parameter_max_length":          "0",
	"log_parameter_max_length_on_error": "0",
	"logging_collector":                 "off",
}

var settingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]*$`)

// configuration renders the server's configuration file. What makes the
// server private (no TCP, the socket's place) cannot be overridden.
func configuration(cfg Config, socketDir string) (string, error) {
	all := maps.Clone(defaultSettings)
	if !cfg.Fsync {
		all["fsync"] = "off"
		all["full_page_writes"] = "off"
	}
	maps.Copy(all, cfg.Settings)
	all["listen_addresses"] = ""
	all["port"] = port
	all["unix_socket_directories"] = quoteListItem(socketDir)
	all["unix_socket_permissions"] = "0700"

	var b strings.Builder
	b.WriteString("# Written by ward at every start of the server: do not edit.\n")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !settingName.MatchString(name) {
			return "", fmt.Errorf("setting %q: not a name that PostgreSQL knows", name)
		}
		value := all[name]
		if strings.ContainsAny(value, "\n\r\x00") {
			return "", fmt.Errorf("setting %s: value has a line break", name)
		}
		fmt.Fprintf(&b, "%s = '%s'\n", name, strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(value))
	}
	return b.String(), nil
}

// quoteListItem quotes one element of a comma-separated setting.
func quoteListItem(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
