package notify_test

import (
	"context"
	"errors"
	"io"
	"net"
	netmail "net/mail"
	"strings"
	"testing"
	"time"

	"github.com/ward-health/ward/internal/notify"
	"github.com/ward-health/ward/internal/notify/notifytest"
	"github.com/ward-health/ward/review"
)

func mailTo(to, smtp, ca string) notify.TargetConfig {
	return notify.TargetConfig{Name: "officer", Mail: to, From: "ward@clinic.test", SMTP: smtp, CAFile: ca}
}

// arrived waits for the server's word on n messages.
func arrived(t *testing.T, s *notifytest.MailServer, n int) []notifytest.Mail {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for {
		if got := s.Mails(); len(got) >= n {
			return got
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%d messages, want %d", len(s.Mails()), n)
		}
	}
}

// TestMail: by STARTTLS and by implicit TLS, signed in, with headers by which a repetition is known.
func TestMail(t *testing.T) {
	a := notifytest.NewAuthority(t)
	for _, security := range []string{"starttls", "implicit"} {
		server := notifytest.NewMailServer(t, a, "-tls", security, "-user", "ward", "-password", "right horse")
		c := mailTo("officer@clinic.test", server.Addr, a.CAFile)
		c.TLS, c.Username = security, "ward"
		target := open(t, c, "right horse")
		n := critical()
		m := message(t, n)
		for range 2 {
			if err := target.Send(t.Context(), m); err != nil {
				t.Fatalf("%s: %v", security, err)
			}
		}
		got := arrived(t, server, 2)
		for _, g := range got {
			if !g.TLS || !g.SignedIn || g.From != "ward@clinic.test" || g.To != "officer@clinic.test" {
				t.Errorf("%s: %+v", security, g)
			}
			msg, err := netmail.ReadMessage(strings.NewReader(g.Data))
			if err != nil {
				t.Fatal(err)
			}
			at, err := msg.Header.Date()
			if err != nil || !at.Equal(m.At.UTC().Truncate(time.Second)) {
				t.Errorf("%s: date %v, %v", security, at, err)
			}
			if id := msg.Header.Get("Message-Id"); id != "<"+m.ID+"@clinic.test>" {
				t.Errorf("%s: message id %s", security, id)
			}
			if s := msg.Header.Get("Subject"); s != "[ward] critical: A01-cross-tenant at cedar" ||
				msg.Header.Get("Auto-Submitted") != "auto-generated" ||
				!strings.HasPrefix(msg.Header.Get("Content-Type"), "text/plain") {
				t.Errorf("%s: headers %v", security, msg.Header)
			}
			if body, _ := io.ReadAll(msg.Body); !strings.Contains(string(body), "Clinic:    cedar") {
				t.Errorf("%s: %s", security, body)
			}
		}
		if got[0].Data != got[1].Data {
			t.Errorf("%s: sent again it is not the same", security)
		}

		wrong := open(t, c, "wrong horse")
		var refused *notify.RefusedError
		if err := wrong.Send(t.Context(), m); !errors.As(err, &refused) || !strings.Contains(err.Error(), "535") {
			t.Errorf("%s: a wrong password: %v", security, err)
		}
		c.CAFile = ""
		if err := open(t, c, "right horse").Send(t.Context(), m); err == nil || errors.As(err, &refused) ||
			!strings.Contains(err.Error(), "not trusted") {
			t.Errorf("%s: an unknown authority: %v", security, err)
		}
		if n := len(server.Mails()); n != 2 {
			t.Errorf("%s: %d messages in all", security, n)
		}
	}
}

// TestMailAnswers: what is refused now is tried again, what is refused for good is not, and what the server says stays
// with it.
func TestMailAnswers(t *testing.T) {
	a := notifytest.NewAuthority(t)
	server := notifytest.NewMailServer(t, a)
	var refused *notify.RefusedError
	if err := open(t, mailTo("550@clinic.test", server.Addr, a.CAFile), "").Send(t.Context(),
		message(t, critical())); !errors.As(err, &refused) || err.Error() != "the server answered 550" {
		t.Errorf("nobody of that name: %v", err)
	}
	later := open(t, mailTo("451-1@clinic.test", server.Addr, a.CAFile), "")
	if err := later.Send(t.Context(), message(t, critical())); err == nil || errors.As(err, &refused) ||
		!strings.Contains(err.Error(), "451") {
		t.Errorf("later: %v", err)
	}
	if err := later.Send(t.Context(), message(t, critical())); err != nil {
		t.Errorf("the second time: %v", err)
	}
	arrived(t, server, 1)
}

// TestMailNeverInClearText: a server that offers no STARTTLS, or somebody between who removed it, gets neither password
// nor message. On the loopback interface one may ask for it.
func TestMailNeverInClearText(t *testing.T) {
	a := notifytest.NewAuthority(t)
	server := notifytest.NewMailServer(t, a, "-tls", "none")
	if err := open(t, mailTo("officer@clinic.test", server.Addr, a.CAFile),
		"").Send(t.Context(), message(t, critical())); err == nil || !strings.Contains(err.Error(), "STARTTLS") {
		t.Errorf("without STARTTLS: %v", err)
	}
	c := mailTo("officer@clinic.test", server.Addr, "")
	c.TLS = "none"
	if err := open(t, c, "").Send(t.Context(), message(t, critical())); err != nil {
		t.Error(err)
	}
	if got := arrived(t, server, 1); len(got) != 1 || got[0].TLS {
		t.Errorf("%+v", got)
	}
}

// TestMailHostileServers: one that talks without end is left after so many bytes, one that is silent when the time is
// over.
func TestMailHostileServers(t *testing.T) {
	for name, c := range map[string]struct {
		serve func(net.Conn)
		want  string
	}{
		"one line without end": {func(conn net.Conn) {
			chunk := []byte("220-" + strings.Repeat("x", 64<<10))
			for {
				if _, err := conn.Write(chunk); err != nil {
					return
				}
			}
		}, "without end"},
		"lines without end": {func(conn net.Conn) {
			for {
				if _, err := conn.Write([]byte("220-more to come\r\n")); err != nil {
					return
				}
			}
		}, "without end"},
		"silence": {func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }, "did not answer"},
		"a byte now and then": {func(conn net.Conn) {
			for {
				if _, err := conn.Write([]byte("2")); err != nil {
					return
				}
				time.Sleep(50 * time.Millisecond) // a slow sender is what this is about
			}
		}, "did not answer"},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				c.serve(conn)
				_ = conn.Close()
			}
		}()
		begun := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		err = open(t, mailTo("officer@clinic.test", l.Addr().String(), ""), "").Send(ctx, message(t, critical()))
		cancel()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("%s: left after %s", name, took)
		}
	}
}

// TestHeaderInjection: line breaks in what ought to be names reach no header.
func TestHeaderInjection(t *testing.T) {
	a := notifytest.NewAuthority(t)
	server := notifytest.NewMailServer(t, a)
	evil := "x\r\nBcc: thief@evil.test\r\n\r\nand a body\u2028\x00"
	n := critical()
	n.Tenant, n.RuleID, n.Installation, n.Severity = evil, evil, evil, evil
	if err := open(t, mailTo("officer@clinic.test", server.Addr, a.CAFile),
		"").Send(t.Context(), message(t, n)); err != nil {
		t.Fatal(err)
	}
	msg, err := netmail.ReadMessage(strings.NewReader(arrived(t, server, 1)[0].Data))
	if err != nil || msg.Header.Get("Bcc") != "" || !strings.Contains(msg.Header.Get("Subject"), "Bcc: thief") {
		t.Errorf("headers %v, %v", msg.Header, err)
	}
	for _, m := range []review.Alert{n, critical()} {
		if s := message(t, m).Subject; strings.ContainsAny(s, "\r\n\x00\u2028") || s == "" {
			t.Errorf("subject %q", s)
		}
	}
}
