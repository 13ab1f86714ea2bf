package notify

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // a machine that has no zones of its own is told at the right hour too

	"github.com/ward-health/ward/review"
)

// Config is the part notify of ward.yaml.
type Config struct {
	Targets []TargetConfig `yaml:"targets"`
	Digest  DigestConfig   `yaml:"digest"`
}

// DigestConfig says when the day's digest is sent.
type DigestConfig struct {
	Hour int    `yaml:"hour"` // 0 to 23
	Zone string `yaml:"zone"` // of the IANA database; default UTC
}

// TargetConfig is one target: a webhook or a mailbox. No secret is in it, but the name of its file; without one the
// variable that SecretVariable names has it.
type TargetConfig struct {
	Name       string `yaml:"name"`
	Severity   string `yaml:"severity"` // of the anomalies it is told of, at least; default critical
	Digest     *bool  `yaml:"digest"`   // default true
	SecretFile string `yaml:"secret_file"`
	CAFile     string `yaml:"ca_file"` // certificates in PEM to trust instead of the system's

	Webhook string `yaml:"webhook"` // https://HOST/PATH

	Mail     string `yaml:"mail"` // the receiver's address
	From     string `yaml:"from"`
	SMTP     string `yaml:"smtp"`     // HOST:PORT
	TLS      string `yaml:"tls"`      // starttls (default), implicit, none (loopback only)
	Username string `yaml:"username"` // the secret is its password then
}

// World is what opening targets needs of it.
type World struct {
	Getenv func(string) string
	Now    func() time.Time
	Read   func(file string) ([]byte, error)
}

const (
	startTLS    = "starttls"
	implicitTLS = "implicit"
	noTLS       = "none"
)

// SecretVariable is the variable that holds a target's secret where no file does.
func SecretVariable(target string) string {
	return "WARD_NOTIFY_SECRET_" + strings.ToUpper(strings.ReplaceAll(target, "-", "_"))
}

var (
	targetName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)
	severities = []string{"critical", "high", "medium", "low"}
)

// Open makes the targets of a configuration. Everything wrong with it is said, each with the target's name.
func (c *Config) Open(w World) ([]Target, error) {
	var targets []Target
	var errs []error
	seen := map[string]bool{}
	for i := range c.Targets {
		t := &c.Targets[i]
		target, err := t.open(w)
		if err == nil && seen[t.Name] {
			err = errors.New("there are two of this name")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("notify: target %q: %w", t.Name, err))
			continue
		}
		seen[t.Name] = true
		targets = append(targets, target)
	}
	if _, err := c.Digest.location(); err != nil {
		errs = append(errs, err)
	}
	return targets, errors.Join(errs...)
}

func (d *DigestConfig) location() (*time.Location, error) {
	if d.Hour < 0 || d.Hour > 23 {
		return nil, fmt.Errorf("notify: digest: hour %d: 0 to 23", d.Hour)
	}
	zone, err := time.LoadLocation(d.Zone)
	if err != nil || d.Zone == "Local" {
		return nil, fmt.Errorf("notify: digest: no time zone %q: one of the IANA database, say America/Denver", d.Zone)
	}
	return zone, nil
}

// Day is the day whose digest is due at now, as YYYY-MM-DD; empty: today's is not due yet.
func (d *DigestConfig) Day(now time.Time) (string, error) {
	zone, err := d.location()
	if err != nil {
		return "", err
	}
	local := now.In(zone)
	if local.Hour() < d.Hour {
		return "", nil
	}
	return local.Format(time.DateOnly), nil
}

func (t *TargetConfig) open(w World) (Target, error) {
	if !targetName.MatchString(t.Name) {
		return nil, errors.New("name: lower-case letters, digits and hyphens, at most 40")
	}
	about := review.AlertTarget{Name: t.Name, Severity: t.Severity, Digest: t.Digest == nil || *t.Digest}
	if about.Severity == "" {
		about.Severity = "critical"
	}
	if !slices.Contains(severities, about.Severity) {
		return nil, fmt.Errorf("severity %q: one of %s", t.Severity, strings.Join(severities, ", "))
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CAFile != "" {
		pem, err := w.Read(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca_file: %s holds no certificate in PEM", t.CAFile)
		}
	}
	switch {
	case t.Webhook != "" && t.Mail == "":
		about.Kind = "webhook"
		return t.webhook(about, conf, w)
	case t.Mail != "" && t.Webhook == "":
		about.Kind = "mail"
		return t.mailbox(about, conf, w)
	}
	return nil, errors.New("one of webhook (an address) and mail (an address) is needed")
}

func (t *TargetConfig) webhook(about review.AlertTarget, conf *tls.Config, w World) (Target, error) {
	if t.From != "" || t.SMTP != "" || t.TLS != "" || t.Username != "" {
		return nil, errors.New("from, smtp, tls and username are a mail target's")
	}
	u, err := url.Parse(t.Webhook)
	if err != nil || u.Host == "" || u.User != nil {
		return nil, errors.New("webhook: want https://HOST/PATH, without a user")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return nil, errors.New("webhook: only https, except on this machine's loopback address")
	}
	text, err := t.secret(w)
	if err != nil {
		return nil, err
	}
	secret, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "whsec_"))
	if err != nil || len(secret) < 24 || len(secret) > 64 {
		return nil, errors.New("its secret is not 24 to 64 random bytes in base64: openssl rand -base64 32 makes one")
	}
	return &webhook{about: about, url: u.String(), secret: secret, client: newClient(conf), now: w.Now}, nil
}

func (t *TargetConfig) mailbox(about review.AlertTarget, conf *tls.Config, w World) (Target, error) {
	b := &mailbox{about: about, tls: conf, security: t.TLS, from: t.From, to: t.Mail, user: t.Username}
	for field, addr := range map[string]string{"mail": t.Mail, "from": t.From} {
		if err := plainAddress(addr); err != nil {
			return nil, fmt.Errorf("%s: %w", field, err)
		}
	}
	host, port, err := net.SplitHostPort(t.SMTP)
	if err == nil {
		b.port, err = strconv.Atoi(port)
	}
	if err != nil || host == "" || b.port < 1 || b.port > 65535 {
		return nil, errors.New("smtp: want HOST:PORT, say mail.example.org:587")
	}
	b.host, b.tls.ServerName = host, host
	switch b.security {
	case "":
		b.security = startTLS
	case startTLS, implicitTLS:
	case noTLS:
		if !loopback(host) {
			return nil, errors.New("tls: none is for this machine's loopback address only")
		}
		if b.user != "" {
			return nil, errors.New("tls: none sends no password: leave username out")
		}
	default:
		return nil, fmt.Errorf("tls %q: starttls, implicit or none", t.TLS)
	}
	if b.user != "" {
		b.password, err = t.secret(w)
	}
	return b, err
}

// plainAddress takes an address and nothing around it: no name, no comment, no line break that would begin another
// header.
func plainAddress(s string) error {
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s || a.Name != "" ||
		strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("%q is no plain address, like ward@example.org", s)
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// secret is the file's first line, or the variable.
func (t *TargetConfig) secret(w World) (string, error) {
	text, from := w.Getenv(SecretVariable(t.Name)), SecretVariable(t.Name)
	if t.SecretFile != "" {
		b, err := w.Read(t.SecretFile)
		if err != nil {
			return "", fmt.Errorf("secret_file: %w", err)
		}
		text, from = string(b), t.SecretFile
	}
	text, _, _ = strings.Cut(strings.TrimRight(text, "\r\n"), "\n")
	if text == "" {
		return "", fmt.Errorf("no secret: set secret_file, or %s (now empty: %s)", SecretVariable(t.Name), from)
	}
	return text, nil
}
