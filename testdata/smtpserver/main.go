// Command smtpserver is a mail server for tests: emersion/go-smtp on a free port of the loopback interface, for as long
// as its standard input is open. The first line of its standard output is HOST:PORT; then every message it takes is one
// line of JSON.
//
// What it does with a message follows from the receiver's address:
//
//	550@...     refused at RCPT with 550
//	451-N@...   refused with 451, N times
//	anything    taken
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

func main() {
	security := flag.String("tls", "starttls", "starttls, implicit or none")
	cert := flag.String("cert", "", "certificate in PEM")
	key := flag.String("key", "", "its key")
	user := flag.String("user", "", "who may send; empty: anybody")
	password := flag.String("password", "", "their password")
	flag.Parse()
	if err := run(*security, *cert, *key, *user, *password); err != nil {
		slog.Error("smtpserver", slog.Any("error", err))
		os.Exit(1)
	}
}

func run(security, cert, key, user, password string) error {
	var conf *tls.Config
	if security != "none" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return fmt.Errorf("load certificate: %w", err)
		}
		conf = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	}
	var listen net.ListenConfig
	l, err := listen.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	fmt.Println(l.Addr())
	server := smtp.NewServer(&backend{user: user, password: password, out: json.NewEncoder(os.Stdout),
		refused: map[string]int{}})
	server.Domain = "mail.test"
	if security == "implicit" {
		l = tls.NewListener(l, conf)
	} else {
		server.TLSConfig = conf
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	return server.Serve(l)
}

type backend struct {
	user, password string

	mu      sync.Mutex
	out     *json.Encoder
	refused map[string]int
}

func (b *backend) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &session{b: b, conn: c}, nil
}

type session struct {
	b        *backend
	conn     *smtp.Conn
	signedIn bool
	from, to string
}

// AuthMechanisms lists them; without TLS none is offered by the library.
func (s *session) AuthMechanisms() []string {
	if s.b.user == "" {
		return nil
	}
	return []string{sasl.Plain}
}

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != s.b.user || password != s.b.password {
			return smtp.ErrAuthFailed
		}
		s.signedIn = true
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if s.b.user != "" && !s.signedIn {
		return smtp.ErrAuthRequired
	}
	s.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	local, _, _ := strings.Cut(to, "@")
	var times int
	switch _, err := fmt.Sscanf(local, "451-%d", &times); {
	case local == "550":
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1},
			Message: "no such person; SECRET-OF-THE-RECEIVER"}
	case err == nil:
		s.b.mu.Lock()
		defer s.b.mu.Unlock()
		if s.b.refused[to]++; s.b.refused[to] <= times {
			return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "later"}
		}
	}
	s.to = to
	return nil
}

func (s *session) Data(r io.Reader) error {
	body, err := io.ReadAll(io.LimitReader(r, 1<<20))
	if err != nil {
		return err
	}
	_, secure := s.conn.TLSConnectionState()
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	return s.b.out.Encode(map[string]any{"from": s.from, "to": s.to, "tls": secure, "signed_in": s.signedIn,
		"data": string(bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n")))})
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }
