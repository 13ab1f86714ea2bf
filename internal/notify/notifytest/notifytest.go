// Package notifytest gives tests receivers of alerts: an HTTPS server with an authority of its own, and a mail server
// in a process of its own.
package notifytest

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ward-health/ward/internal/needs"
)

// Authority is a certificate authority and one certificate of it, for 127.0.0.1.
type Authority struct {
	CAFile, CertFile, KeyFile string
}

// NewAuthority makes one, in files of the test's.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	a := &Authority{CAFile: filepath.Join(dir, "ca.pem"), CertFile: filepath.Join(dir, "cert.pem"),
		KeyFile: filepath.Join(dir, "key.pem")}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	from, until := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: from, NotAfter: until, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	must(err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "receiver"}, NotBefore: from,
		NotAfter: until, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
	must(err)
	keyDER, err := x509.MarshalECPrivateKey(key)
	must(err)
	for file, block := range map[string]*pem.Block{a.CAFile: {Type: "CERTIFICATE", Bytes: caDER},
		a.CertFile: {Type: "CERTIFICATE", Bytes: der}, a.KeyFile: {Type: "EC PRIVATE KEY", Bytes: keyDER}} {
		must(os.WriteFile(file, pem.EncodeToMemory(block), 0o600))
	}
	return a
}

// Secret is a webhook's, made anew.
func Secret() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return "whsec_" + base64.StdEncoding.EncodeToString(b)
}

// Hook is a webhook's receiver: HTTPS on 127.0.0.1.
type Hook struct {
	URL string

	mu     sync.Mutex
	got    []Post
	answer func(n int, w http.ResponseWriter, r *http.Request)
}

// Post is a request that a hook was sent, with what it was answered.
type Post struct {
	Header http.Header
	Path   string
	Body   []byte
}

// NewHook serves until the test ends. answer is what it does with request n (from 1), after keeping it; nil: 204.
func NewHook(t testing.TB, a *Authority, answer func(n int, w http.ResponseWriter, r *http.Request)) *Hook {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(a.CertFile, a.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0",
		&tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	h := &Hook{URL: "https://" + l.Addr().String() + "/ward", answer: answer}
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return h
}

// ServeHTTP keeps the request and answers.
func (h *Hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	h.mu.Lock()
	h.got = append(h.got, Post{Header: r.Header.Clone(), Path: r.URL.RequestURI(), Body: body})
	n := len(h.got)
	h.mu.Unlock()
	if h.answer == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	h.answer(n, w, r)
}

// Posts are the requests so far.
func (h *Hook) Posts() []Post {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]Post(nil), h.got...)
}

// Mail is a message that a mail server took.
type Mail struct {
	From     string `json:"from"`
	To       string `json:"to"`
	TLS      bool   `json:"tls"`
	SignedIn bool   `json:"signed_in"`
	Data     string `json:"data"`
}

// MailServer is a process of testdata/smtpserver.
type MailServer struct {
	Addr string

	mu  sync.Mutex
	got []Mail
}

var mailBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "smtpserver-")
	if err != nil {
		return "", err
	}
	_, here, _, _ := runtime.Caller(0)
	file := filepath.Join(dir, "smtpserver")
	cmd := exec.Command("go", "build", "-o", file, ".")
	cmd.Dir = filepath.Join(filepath.Dir(here), "..", "..", "..", "testdata", "smtpserver")
	return file, needs.Build(context.Background(), cmd, "github.com/emersion/go-smtp")
})

// NewMailServer starts one until the test ends; args are the program's.
func NewMailServer(t testing.TB, a *Authority, args ...string) *MailServer {
	t.Helper()
	binary, err := mailBinary()
	binary = needs.Given(t, binary, err)
	cmd := exec.CommandContext(t.Context(), binary,
		append([]string{"-cert", a.CertFile, "-key", a.KeyFile}, args...)...)
	in, err := cmd.StdinPipe() // it stops when this closes, so also when this process dies
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	addr, err := lines.ReadString('\n')
	if err != nil {
		t.Fatalf("start the mail server: %v", err)
	}
	s := &MailServer{Addr: strings.TrimSpace(addr)}
	go func() {
		dec := json.NewDecoder(lines)
		for {
			var m Mail
			if dec.Decode(&m) != nil {
				return
			}
			s.mu.Lock()
			s.got = append(s.got, m)
			s.mu.Unlock()
		}
	}()
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	return s
}

// Mails are the messages so far.
func (s *MailServer) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Mail(nil), s.got...)
}
