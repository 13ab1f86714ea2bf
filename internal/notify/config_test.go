package notify_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ward-health/ward/internal/notify"
	"github.com/ward-health/ward/internal/notify/notifytest"
)

// TestConfigRefusals: each mistake has a sentence, and none of them a secret.
func TestConfigRefusals(t *testing.T) {
	good := notifytest.Secret()
	hook := notify.TargetConfig{Name: "hook", Webhook: "https://hooks.example.org/x"}
	box := notify.TargetConfig{Name: "box", Mail: "a@example.org", From: "ward@example.org",
		SMTP: "mail.example.org:587"}
	for want, c := range map[string]struct {
		base   notify.TargetConfig
		change func(*notify.TargetConfig)
		secret string
	}{
		"lower-case letters":  {hook, func(c *notify.TargetConfig) { c.Name = "Hook\r\nBcc: x" }, good},
		"one of webhook":      {hook, func(c *notify.TargetConfig) { c.Mail = "a@example.org" }, good},
		"are a mail target's": {hook, func(c *notify.TargetConfig) { c.Username = "ward" }, good},
		"only https": {hook,
			func(c *notify.TargetConfig) { c.Webhook = "http://hooks.example.org/x" }, good},
		"without a user": {hook,
			func(c *notify.TargetConfig) { c.Webhook = "https://a:b@hooks.example.org/x" }, good},
		"want https://HOST": {hook,
			func(c *notify.TargetConfig) { c.Webhook = "hooks.example.org" }, good},
		"no secret":          {hook, func(*notify.TargetConfig) {}, ""},
		"24 to 64 random":    {hook, func(*notify.TargetConfig) {}, "whsec_c2hvcnQ="},
		"in base64":          {hook, func(*notify.TargetConfig) {}, "not base64 at all !!!!!!!!!!!!!!!!!!"},
		"severity \"grave\"": {hook, func(c *notify.TargetConfig) { c.Severity = "grave" }, good},
		"ca_file":            {hook, func(c *notify.TargetConfig) { c.CAFile = "/nowhere" }, good},
		"secret_file":        {hook, func(c *notify.TargetConfig) { c.SecretFile = "/nowhere" }, good},
		"mail: \"a@example.org\\r\\nBcc": {box,
			func(c *notify.TargetConfig) { c.Mail = "a@example.org\r\nBcc: b@example.org" }, good},
		"mail: \"A <a@example.org>\"": {box, func(c *notify.TargetConfig) { c.Mail = "A <a@example.org>" }, good},
		"from: \"\" is no plain":      {box, func(c *notify.TargetConfig) { c.From = "" }, good},
		"want HOST:PORT":              {box, func(c *notify.TargetConfig) { c.SMTP = "mail.example.org" }, good},
		"tls: none is for":            {box, func(c *notify.TargetConfig) { c.TLS = "none" }, good},
		"sends no password": {box,
			func(c *notify.TargetConfig) { c.TLS, c.SMTP, c.Username = "none", "127.0.0.1:25", "ward" }, good},
		"tls \"maybe\"":          {box, func(c *notify.TargetConfig) { c.TLS = "maybe" }, good},
		"WARD_NOTIFY_SECRET_BOX": {box, func(c *notify.TargetConfig) { c.Username = "ward" }, ""},
	} {
		config := c.base
		c.change(&config)
		_, err := targets(config, c.secret)
		if err == nil || !strings.Contains(err.Error(), want) ||
			(c.secret != "" && strings.Contains(err.Error(), c.secret)) {
			t.Errorf("want %q: %v", want, err)
		}
	}
	for _, c := range []notify.TargetConfig{hook, box, {Name: "near", Webhook: "http://127.0.0.1:8080/x"},
		{Name: "near", Webhook: "http://[::1]:8080/x"}} {
		if _, err := targets(c, good); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
	two := notify.Config{Targets: []notify.TargetConfig{box, box}, Digest: notify.DigestConfig{Hour: 24}}
	if _, err := two.Open(notify.World{Getenv: os.Getenv, Now: time.Now, Read: os.ReadFile}); err == nil ||
		!strings.Contains(err.Error(), "two of this name") || !strings.Contains(err.Error(), "0 to 23") {
		t.Errorf("two mistakes: %v", err)
	}
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(good+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	hook.SecretFile = file
	if _, err := targets(hook, ""); err != nil {
		t.Errorf("a secret in a file: %v", err)
	}
}

// TestDigestDay: the day is the zone's, and begins to be due at its hour, also where the clocks change.
func TestDigestDay(t *testing.T) {
	for _, c := range []struct {
		zone string
		hour int
		at   string
		want string
	}{
		{"", 7, "2026-11-27T06:59:59Z", ""},
		{"", 7, "2026-11-27T07:00:00Z", "2026-11-27"},
		{"", 0, "2026-11-27T00:00:00Z", "2026-11-27"},
		{"America/Los_Angeles", 7, "2026-11-27T14:59:59Z", ""},
		{"America/Los_Angeles", 7, "2026-11-27T15:00:00Z", "2026-11-27"},
		{"America/Los_Angeles", 20, "2026-11-28T04:00:00Z", "2026-11-27"},
		{"Asia/Tokyo", 7, "2026-11-26T22:00:00Z", "2026-11-27"},
		{"America/Los_Angeles", 2, "2026-03-08T09:59:59Z", ""}, // 2 o'clock does not exist that day
		{"America/Los_Angeles", 2, "2026-03-08T10:00:00Z", "2026-03-08"},
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		d := notify.DigestConfig{Hour: c.hour, Zone: c.zone}
		if got, err := d.Day(at); err != nil || got != c.want {
			t.Errorf("%s, %d o'clock, at %s: %q, %v, want %q", c.zone, c.hour, c.at, got, err, c.want)
		}
	}
	for _, zone := range []string{"Local", "Mars/Olympus"} {
		d := notify.DigestConfig{Zone: zone}
		if _, err := d.Day(time.Now()); err == nil {
			t.Errorf("zone %q", zone)
		}
	}
}
