package migrate

import (
	"strings"
	"testing"
)

// TestServers that a test cannot start: one that is too old, one without pgcrypto's files, and names in pgcrypto's way.
func TestServers(t *testing.T) {
	if o := (&server{version: 14, encoding: "UTF8"}).unfit(); len(o) != 1 ||
		!strings.Contains(o[0].What, "PostgreSQL 14: ward needs 15") {
		t.Errorf("%v", o)
	}
	for want, unfit := range map[string]server{
		"encoding is LATIN1": {version: 15, encoding: "LATIN1"},
		"a standby":          {version: 15, encoding: "UTF8", standby: true},
	} {
		if o := unfit.unfit(); len(o) != 1 || !strings.Contains(o[0].What, want) {
			t.Errorf("%v, want %s", o, want)
		}
	}
	if o := (&server{version: 15, encoding: "UTF8"}).unfit(); o != nil {
		t.Errorf("%v", o)
	}
	s := server{superuser: true, ownsTheBase: true, public: "postgres", ownsPublic: true}
	if o := s.obstacles(); len(o) != 1 || !strings.Contains(o[0].What, "pgcrypto is not available") {
		t.Errorf("%v", o)
	}
	s.pgcryptoAvailable, s.pgcryptoClash = true, []string{"digest(text, text)"}
	if o := s.obstacles(); len(o) != 1 ||
		o[0].Mend[0] != "alter function public.digest(text, text) rename to your_digest" {
		t.Errorf("%v", o)
	}
	s = server{createRole: true, ownsTheBase: true, public: "postgres", pgcrypto: "public"}
	if o := s.obstacles(); len(o) != 1 || o[0].Mend[0] != "alter schema public owner to pg_database_owner" {
		t.Errorf("%v", o)
	}
	s.public = ""
	if o := s.obstacles(); len(o) != 1 || o[0].Mend[0] != "create schema public" {
		t.Errorf("%v", o)
	}
}
