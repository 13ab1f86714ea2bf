package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/review"
)

// call is a command with real arguments. prepare runs before anything fails and returns them.
type call struct {
	user    string
	input   string
	prepare func(s *scene) []string
	nothing func(s *scene) string // a file that a failure must not leave
}

func plainCall(user string, args ...string) call {
	return call{user: user, prepare: func(*scene) []string { return args }}
}

// claimed is a call on an anomaly that dana has claimed.
func claimed(args ...string) call {
	return call{user: "dana", prepare: func(s *scene) []string {
		id := s.anomaly("cedar", "carla", "B")
		s.ok("dana", "queue", "claim", id)
		return append([]string{"queue", args[0], id}, args[1:]...)
	}}
}

// suppressing asks for a suppression of what a rule finds about carla.
func suppressing(s *scene) []string {
	s.anomaly("cedar", "carla", "B")
	rule := wardtest.One[string](s.Env,
		"select id from review.rule where tier = 'B' and kind = 'flag' order by id limit 1")
	return []string{"suppress", "add", rule, "--tenant", "cedar", "--actor", "carla", "--days", "3", "--ticket", "T-1",
		"--reason", "a recall campaign"}
}

func newestSuppression(s *scene) string {
	return wardtest.One[string](s.Env, "select id::text from review.suppression order by created_at desc limit 1")
}

// calls has every audited command.
var calls = map[string]call{
	"ward whoami": plainCall("dana", "whoami"),
	"ward login": {user: "ana", input: wardtest.Password + "\n", prepare: func(*scene) []string {
		return []string{"login", "ana"}
	}, nothing: func(s *scene) string { return s.tokenFile("ana") }},
	"ward logout": plainCall("omar", "logout"),
	"ward queue list": {user: "dana",
		prepare: func(s *scene) []string { s.anomaly("harbor", "hugo", "A"); return []string{"queue", "list"} }},
	"ward queue show": {user: "dana",
		prepare: func(s *scene) []string { return []string{"queue", "show", s.anomaly("cedar", "carla", "A")} }},
	"ward queue claim": {user: "dana", prepare: func(s *scene) []string {
		return []string{"queue", "claim", s.anomaly("cedar", "carla", "A")}
	}},
	"ward queue release":  claimed("release", "--reason", "not for me"),
	"ward queue assign":   claimed("assign", "--to", "eli", "--reason", "knows the clinic"),
	"ward queue note":     claimed("note", "asked the clinic"),
	"ward queue wait":     claimed("wait", "--reason", "the clinic answers on Monday"),
	"ward queue close":    claimed("close", "--as", "test_data", "--reason", "no real patient"),
	"ward queue escalate": claimed("escalate", "--reason", "to the incident process"),
	"ward queue approve": {user: "dana", prepare: func(s *scene) []string {
		id := s.anomaly("cedar", "carla", "A")
		s.signIn("eli")
		s.ok("eli", "queue", "claim", id)
		s.ok("eli", "queue", "close", id, "--as", "test_data", "--reason", "no real patient")
		return []string{"queue", "approve", id, "--reason", "read the chart's log"}
	}},
	"ward queue reopen": {user: "dana", prepare: func(s *scene) []string {
		id := s.anomaly("cedar", "carla", "B")
		s.ok("dana", "queue", "claim", id)
		s.ok("dana", "queue", "close", id, "--as", "test_data", "--reason", "no real patient")
		return []string{"queue", "reopen", id, "--reason", "the cover was another week"}
	}},
	"ward queue dispositions": plainCall("dana", "queue", "dispositions"),
	"ward queue take": {user: "dana", prepare: func(s *scene) []string {
		id := s.anomaly("cedar", "carla", "B")
		s.signIn("eli")
		s.ok("eli", "queue", "claim", id)
		return []string{"queue", "take", id, "--reason", "eli is on leave"}
	}},
	"ward queue assess": claimed("assess", "--nature", "names and visits", "--recipient", "a colleague",
		"--acquired", "seen on a screen", "--mitigated", "attested in writing", "--outcome", "breach"),
	"ward queue discovered": claimed("discovered", "--on", time.Now().UTC().Format(time.DateOnly), "--reason",
		"read in the log"),
	"ward queue confirm": {user: "dana", prepare: func(s *scene) []string {
		id := s.anomaly("cedar", "carla", "B")
		s.signIn("eli")
		s.ok("eli", "queue", "discovered", id, "--on", time.Now().UTC().Format(time.DateOnly), "--reason",
			"read in the log")
		return []string{"queue", "confirm", id, "--reason", "read it too"}
	}},
	"ward queue hold": claimed("hold", "--until", time.Now().UTC().AddDate(0, 0, 9).Format(time.DateOnly), "--official",
		"Agent Smith, FBI"),
	"ward queue link": {user: "dana", prepare: func(s *scene) []string {
		return []string{"queue", "link", s.anomaly("cedar", "carla", "B"), "--to", s.anomaly("harbor", "hugo", "B"),
			"--reason", "the same laptop"}
	}},
	"ward queue attach": {user: "dana", input: "what the manager wrote", prepare: func(s *scene) []string {
		return []string{"queue", "attach", s.anomaly("cedar", "carla", "B"), "-", "--name", "letter.txt"}
	}},
	"ward queue file": {user: "eli", prepare: func(s *scene) []string {
		id := s.anomaly("cedar", "carla", "B")
		s.exec("insert into review.attachment (anomaly_id, sha256, name, bytes, content, by_user, event_id) "+
			"select $1, sha256('x'), 'x.txt', 1, 'x', id, 1 from tenancy.users where slug = 'dana'", id)
		return []string{"queue", "file", id, wardtest.One[string](s.Env, "select encode(sha256('x'), 'hex')"),
			"--output", s.readFile()}
	}, nothing: (*scene).readFile},
	"ward breach list": {user: "dana",
		prepare: func(s *scene) []string { s.breach(); return []string{"breach", "list"} }},
	"ward breach log": {user: "eli", prepare: func(s *scene) []string {
		s.signIn("dana")
		s.breach()
		return []string{"breach", "log", "--year", fmt.Sprint(time.Now().UTC().Year())}
	}},
	"ward breach notified": {user: "dana", prepare: func(s *scene) []string {
		return []string{"breach", "notified", s.breach(), "--to", "hhs", "--on", time.Now().UTC().Format(time.DateOnly),
			"--reference", "portal 4711"}
	}},
	"ward breach terms": plainCall("dana", "breach", "terms"),
	"ward breach term": plainCall("root", "breach", "term", "cedar", "--state", "CA", "--days", "10", "--reason",
		"BAA of 2026"),
	"ward breach state":  plainCall("root", "breach", "state", "CA", "--days", "15", "--citation", "a law of CA"),
	"ward user accounts": plainCall("dana", "user", "accounts"),
	"ward user same":     plainCall("root", "user", "same", "casey", "carla", "--reason", "HR says it is one person"),
	"ward user apart": {user: "root", prepare: func(s *scene) []string {
		s.ok("root", "user", "same", "hugo", "frank", "--reason", "HR says it is one person")
		return []string{"user", "apart", "hugo", "frank", "--reason", "HR erred"}
	}},
	"ward audit list": plainCall("dana", "audit", "list", "cedar", "--reason", "self-audit"),
	"ward audit user": plainCall("dana", "audit", "user", "casey", "--reason", "self-audit"),
	"ward audit show": {user: "dana", prepare: func(s *scene) []string {
		id := wardtest.One[string](s.Env, "select max(event_id)::text from audit.event e join tenancy.tenant t "+
			"on t.id = e.tenant_id where t.slug = 'cedar'")
		return []string{"audit", "show", "cedar", id, "--reason", "self-audit"}
	}},
	"ward audit export": {user: "dana", prepare: func(s *scene) []string {
		return []string{"audit", "export", "cedar", "--reason", "self-audit", "--output",
			filepath.Join(s.dir, "export.jsonl")}
	}, nothing: func(s *scene) string { return filepath.Join(s.dir, "export.jsonl") }},
	"ward audit import": {user: "root", prepare: func(s *scene) []string {
		file := filepath.Join(s.dir, "history.csv")
		s.must(os.WriteFile(file, []byte("occurred_at,actor,action\n2025-01-02T03:04:05Z,casey,view\n"), 0o600))
		return []string{"audit", "import", file, "--format", "csv", "--tenant", "cedar", "--system", "old-ehr",
			"--reason", "moving to ward"}
	}},
	"ward evidence": {user: "dana", prepare: func(s *scene) []string { return s.bundleArgs("self-audit") },
		nothing: func(s *scene) string { return filepath.Join(s.dir, "self-audit") }},
	"ward evidence certify": {user: "dana", prepare: func(s *scene) []string {
		return []string{"evidence", "certify", s.bundle("dana", "certify"), "--statement", statement}
	}},
	"ward evidence approve": {user: "dana", prepare: func(s *scene) []string {
		s.signIn("eli")
		var signed review.Signed
		s.must(json.Unmarshal([]byte(s.ok("eli", "evidence", "certify", s.bundle("eli", "approve"), "--statement",
			statement, "--json")), &signed))
		return []string{"evidence", "approve", signed.ID.String(), "--reason", "read the bundle"}
	}},
	"ward evidence list": plainCall("dana", "evidence", "list"),
	"ward archive list":  plainCall("dana", "archive", "list"),
	"ward archive prune": {user: "root", prepare: func(s *scene) []string {
		s.exec("select audit.ensure_month('2024-01-01')")
		return []string{"archive", "prune", "2024-01", "--reason", "disk is full", "--timeout", "0"}
	}},
	"ward archive ship": plainCall("dana", "archive", "ship"),
	"ward archive prove": {user: "dana", prepare: func(s *scene) []string {
		return []string{"archive", "prove", s.shipped(), "--out", s.proofFile()}
	}, nothing: (*scene).proofFile},
	"ward archive verify": {user: "dana", prepare: func(*scene) []string { return []string{"archive", "verify"} },
		nothing: func(s *scene) string { return filepath.Join(s.dir, "dana.state", "ward", "heads.json") }},
	"ward archive doctor": plainCall("dana", "archive", "doctor"),
	"ward archive hold": plainCall("dana", "archive", "hold", "--tenant", "cedar", "--month", "2026-01",
		"--reason", "subpoena"),
	"ward archive holds": plainCall("dana", "archive", "holds"),
	"ward archive release": {user: "dana", prepare: func(s *scene) []string {
		s.ok("dana", "archive", "hold", "--tenant", "cedar", "--reason", "subpoena")
		return []string{"archive", "release", wardtest.One[string](s.Env,
			"select id::text from audit.hold where lifted_at is null order by placed_at desc limit 1"),
			"--reason", "settled"}
	}},
	"ward tenant retention": {user: "root", prepare: func(s *scene) []string {
		years := wardtest.One[string](s.Env,
			"select (retain_years + 1)::text from tenancy.tenant where slug = 'harbor'")
		return []string{"tenant", "retention", "harbor", "--years", years, "--reason", "state law"}
	}},
	"ward rule list":    plainCall("dana", "rule", "list"),
	"ward rule show":    plainCall("dana", "rule", "show", "A02"),
	"ward rule history": plainCall("dana", "rule", "history"),
	"ward worker jobs":  plainCall("dana", "worker", "jobs"),
	"ward rule run":     plainCall("dana", "rule", "run", "A02", "--timeout", "0"),
	"ward rule retire": {user: "root", prepare: func(s *scene) []string {
		s.exec(`insert into review.rule (id, version, tier, severity, title, content_hash, front_matter, loaded_at)
				values ('Z01', 1, 'B', 'low', 't', 'h', '{}', now() - interval '1 hour') on conflict (id) do update
				set missing = '{}'`)
		return []string{"rule", "retire", "Z01", "--reason", "its file is gone"}
	}},
	"ward suppress list": plainCall("dana", "suppress", "list"),
	"ward suppress add":  {user: "dana", prepare: suppressing},
	"ward suppress approve": {user: "eli", prepare: func(s *scene) []string {
		s.signIn("dana")
		s.ok("dana", suppressing(s)...)
		return []string{"suppress", "approve", newestSuppression(s), "--reason", "the ticket says so"}
	}},
	"ward suppress end": {user: "dana", prepare: func(s *scene) []string {
		s.ok("dana", suppressing(s)...)
		return []string{"suppress", "end", newestSuppression(s), "--reason", "over"}
	}},
	"ward rule declare":  plainCall("root", "rule", "declare", "vip", "--reason", "the list is kept"),
	"ward rule withdraw": plainCall("root", "rule", "withdraw", "vip", "--reason", "the list is kept no longer"),
	"ward rule supply": {user: "root",
		input:   `{"user": "carla", "patient": "6f1c4a52-8d0e-4b7a-9c3f-2e5d8a7b9c10"}`,
		prepare: func(*scene) []string { return []string{"rule", "supply", "person_link", "cedar", "-"} }},
	"ward tenant list": plainCall("dana", "tenant", "list"),
	"ward tenant add":  plainCall("root", "tenant", "add", "willow", "Willow Clinic"),
	"ward user list":   plainCall("dana", "user", "list"),
	"ward user show":   plainCall("dana", "user", "show", "casey"),
	"ward user add":    plainCall("root", "user", "add", "newcomer", "New Comer"),
	"ward member list": plainCall("dana", "member", "list", "cedar"),
	"ward member show": {user: "dana",
		prepare: func(s *scene) []string { return []string{"member", "show", s.membership("cedar", "carla")} }},
	"ward member add":      plainCall("root", "member", "add", "harbor", "carla", "nurse"),
	"ward archive recover": plainCall("root", "archive", "recover", "--reason", "a test of what is recorded"),
	"ward member terminate": {user: "dana", prepare: func(s *scene) []string {
		return []string{"member", "terminate", s.membership("cedar", "frank"), "--reason", "left on Friday",
			"--confirm", s.userID("frank")[:6]}
	}},
	"ward session list": {user: "root",
		prepare: func(s *scene) []string { s.App("casey", "cedar"); return []string{"session", "list"} }},
	"ward session revoke": {user: "root", prepare: func(s *scene) []string {
		return []string{"session", "revoke", s.App("casey", "cedar").Tokens().SessionID.String(), "--reason",
			"lost telephone"}
	}},
	"ward key list":         plainCall("root", "key", "list"),
	"ward key rotate":       plainCall("root", "key", "rotate"),
	"ward application list": plainCall("root", "application", "list"),
	"ward application add":  plainCall("root", "application", "add", "portal", "ward_app"),
	"ward grant list":       plainCall("dana", "grant", "list"),
	"ward grant add":        plainCall("root", "grant", "add", "casey", "auditor", "--reason", "second line"),
	"ward member role": {user: "root", prepare: func(s *scene) []string {
		return []string{"member", "role", s.membership("cedar", "carla"), "nurse", "--reason", "another job"}
	}},
	"ward user disable": {user: "root", prepare: func(s *scene) []string {
		s.ok("root", "user", "add", "leaver", "Lea Ver")
		return []string{"user", "disable", "leaver", "--reason", "left on Friday", "--yes", "--json"}
	}},
	"ward user enable": {user: "root", prepare: func(s *scene) []string {
		s.ok("root", "user", "add", "returner", "Re Turner")
		s.ok("root", "user", "disable", "returner", "--reason", "left on Friday", "--yes")
		return []string{"user", "enable", "returner", "--reason", "came back"}
	}},
	"ward role list":         plainCall("dana", "role", "list"),
	"ward role show":         plainCall("dana", "role", "show", "nurse"),
	"ward role add":          plainCall("root", "role", "add", "scribe", "writes notes"),
	"ward role permit":       plainCall("root", "role", "permit", "nurse", "claims", "view"),
	"ward role forbid":       plainCall("root", "role", "forbid", "nurse", "claims", "view"),
	"ward service list":      plainCall("dana", "service", "list"),
	"ward service show":      plainCall("dana", "service", "show", "svc-etl"),
	"ward service own":       plainCall("root", "service", "own", "svc-etl", "dana"),
	"ward service secret":    plainCall("root", "service", "secret", "svc-etl"),
	"ward service declare":   plainCall("root", "service", "declare", "svc-etl", "view", "claims", "--hours", "0-6"),
	"ward service undeclare": plainCall("root", "service", "undeclare", "svc-etl", "view", "appointments"),
	"ward oncall list":       plainCall("dana", "oncall", "list"),
	"ward oncall add":        plainCall("root", "oncall", "add", "frank", "--tenant", "cedar", "--reason", "rota"),
	"ward oncall remove": {user: "root", prepare: func(s *scene) []string {
		s.ok("root", "oncall", "add", "hugo", "--tenant", "harbor", "--reason", "rota")
		return []string{"oncall", "remove", "hugo", "--tenant", "harbor", "--reason", "rota over"}
	}},
	"ward oncall take": {user: "eli", prepare: func(s *scene) []string {
		s.signIn("root")
		s.ok("root", "oncall", "add", "eli", "--reason", "rota")
		return []string{"oncall", "take", "cedar", "--reason", "portal down", "--ticket", "OPS-1"}
	}},
	"ward oncall end": {user: "ana", prepare: func(s *scene) []string {
		s.signIn("root")
		s.ok("root", "oncall", "add", "ana", "--reason", "rota")
		s.ok("ana", "oncall", "take", "harbor", "--reason", "portal down", "--ticket", "OPS-1")
		return []string{"oncall", "end"}
	}},
	"ward grant end": {user: "root", prepare: func(s *scene) []string {
		id := wardtest.One[string](s.Env, "select g.id::text from tenancy.reviewer_grant g join tenancy.users u "+
			"on u.id = g.user_id where u.slug = 'eli' and g.role = 'compliance_officer'")
		return []string{"grant", "end", id, "--reason", "moved to another office"}
	}},
	"ward notify list": {user: "dana",
		prepare: func(s *scene) []string { s.failedAlert(); return []string{"notify", "list"} }},
	"ward notify retry": {user: "dana",
		prepare: func(s *scene) []string { return []string{"notify", "retry", s.failedAlert()} }},
	"ward notify test": {user: "dana", prepare: func(s *scene) []string {
		return []string{"--config", s.telling(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})),
			"notify", "test"}
	}},
	"ward oidc list": plainCall("root", "oidc", "list"),
	"ward oidc add": {user: "root",
		prepare: func(s *scene) []string { return []string{"oidc", "add", startProvider(testOf(s)).issuer, "ward"} }},
	"ward oidc remove": {user: "root", prepare: func(s *scene) []string {
		return []string{"oidc", "remove", s.issuer(), "--reason", "moved elsewhere"}
	}},
	"ward user link": {user: "root",
		prepare: func(s *scene) []string { return []string{"user", "link", "ana", s.issuer(), "sub-ana"} }},
	"ward user unlink": {user: "root", prepare: func(s *scene) []string {
		issuer := s.issuer()
		s.exec("insert into tenancy.identity (issuer, subject, user_id, linked_by) select $1, 'sub-eli', id, id "+
			"from tenancy.users where slug = 'eli'", issuer)
		return []string{"user", "unlink", "eli", issuer, "sub-eli", "--reason", "left the company"}
	}},
	"ward totp enroll": {}, // TestEnrolmentIsRecorded
	"ward totp policy": plainCall("root", "totp", "policy", "optional"),
	"ward totp remove": {user: "root", prepare: func(s *scene) []string {
		s.exec("select tenancy.totp_new(u.id, x.session_id), tenancy.totp_end(null) from tenancy.users u " +
			"join tenancy.session x on x.user_id = u.id where u.slug = 'hugo' limit 1")
		s.exec("update tenancy.totp set active_at = clock_timestamp()")
		return []string{"totp", "remove", "hugo", "--reason", "lost the phone"}
	}},
	// TestInitIsRecorded
	"ward init": {user: "first", input: wardtest.Password + "\n", prepare: func(*scene) []string { return nil }},
}

// testOf is the test that a scene belongs to.
func testOf(s *scene) *testing.T {
	t, ok := s.t.(*testing.T)
	if !ok {
		panic("a scene of no test")
	}
	return t
}

// issuer declares an identity provider that nobody asks.
func (s *scene) issuer() string {
	issuer := "https://" + uuid.NewString() + ".example.org"
	s.exec("insert into tenancy.issuer (issuer, client_id, endpoints, declared_by) select $1, 'ward', '{}', id "+
		"from tenancy.users where slug = 'root'", issuer)
	return issuer
}

// statement is what a period is certified with.
const statement = "I reviewed the findings of this period and their outcomes."

func (s *scene) bundleArgs(name string) []string {
	return []string{"evidence", "--from", "2026-01-01", "--out", filepath.Join(s.dir, name)}
}

// bundle makes a bundle and names its directory.
func (s *scene) bundle(user, name string) string {
	s.t.Helper()
	s.ok(user, s.bundleArgs(name)...)
	return filepath.Join(s.dir, name)
}

func (s *scene) readFile() string { return filepath.Join(s.dir, "read.txt") }

// breach is an anomaly that dana closed as one and eli approved.
func (s *scene) breach() string {
	s.t.Helper()
	id := s.anomaly("cedar", "carla", "B")
	s.signIn("eli")
	s.ok("dana", "queue", "claim", id)
	s.ok("dana", "queue", "close", id, "--as", "breach", "--field", "affected=3", "--field", "residents=CA:3",
		"--field", "unassessed=notify_without_assessment", "--reason", "it left the clinic")
	s.ok("eli", "queue", "approve", id, "--reason", "I agree")
	return id
}

func (s *scene) proofFile() string { return filepath.Join(s.dir, "event.proof") }
