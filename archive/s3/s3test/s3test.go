// Package s3test starts a real S3 server with Object Lock for tests: versitygw, on the loopback interface, over a
// temporary directory. It is built once per machine from the Go module proxy.
package s3test

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/ward-health/ward/archive/s3"
	"github.com/ward-health/ward/internal/needs"
)

// Version is that of the server. Before v1.8.0 it let a COMPLIANCE lock be shortened.
const Version = "v1.8.0"

const module = "github.com/versity/versitygw/cmd/versitygw"

// The credentials of the server's owner, who may do everything that a lock does not forbid.
const (
	AccessKey = "ward-test-root"
	SecretKey = "ward-test-root-secret"
)

// Server is a running server.
type Server struct {
	// Endpoint is its URL.
	Endpoint string
	// Root holds a directory for each bucket, whose files are the objects' latest versions. Versions holds the older
	// ones.
	Root, Versions string

	dir  string
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	out  bytes.Buffer
}

// Start runs a server until the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	s, err := Launch(context.Background())
	s = needs.Given(t, s, err)
	t.Cleanup(s.Stop)
	return s
}

// Launch runs a server until Stop, for a test binary that shares one.
func Launch(ctx context.Context) (*Server, error) {
	binary, err := build(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "ward-s3-")
	if err != nil {
		return nil, fmt.Errorf("making a directory for versitygw: %w", err)
	}
	for range 5 { // a port that was free may be taken a moment later
		var s *Server
		if s, err = launch(ctx, binary, dir); err == nil {
			return s, nil
		}
	}
	os.RemoveAll(dir)
	return nil, err
}

func launch(ctx context.Context, binary, dir string) (*Server, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	s := &Server{Endpoint: "http://" + address, Root: filepath.Join(dir, "root"),
		Versions: filepath.Join(dir, "versions"), dir: dir, done: make(chan struct{})}
	for _, d := range []string{s.Root, s.Versions, filepath.Join(dir, "iam")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("making a directory for versitygw: %w", err)
		}
	}
	//nolint:noctx // it outlives the call, Stop ends it
	s.cmd = exec.Command(binary, "--port", address, "--quiet", "--iam-dir", filepath.Join(dir, "iam"),
		"posix", "--versioning-dir", s.Versions, s.Root)
	s.cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+AccessKey, "ROOT_SECRET_KEY="+SecretKey)
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.out
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting versitygw: %w", err)
	}
	go func() {
		defer close(s.done)
		_ = s.cmd.Wait() // that it was killed is no news
	}()
	if err := s.ready(ctx); err != nil {
		s.kill()
		return nil, fmt.Errorf("starting versitygw: %w: %s", err, s.out.String())
	}
	return s, nil
}

// ready waits until the server answers.
func (s *Server) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Endpoint, nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			return nil
		}
		select {
		case <-s.done:
			return errors.New("it ended")
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// Stop ends the server and removes what it held.
func (s *Server) Stop() {
	s.kill()
	os.RemoveAll(s.dir)
}

func (s *Server) kill() {
	_ = s.cmd.Process.Kill() // it may have ended by itself
	select {                 // that it was killed is no news
	case <-s.done:
	case <-time.After(10 * time.Second):
	}
}

// Client speaks to the server as its owner.
func (s *Server) Client() (*minio.Client, error) { return s.ClientAs(AccessKey, SecretKey) }

// ClientAs speaks to the server under an account.
func (s *Server) ClientAs(access, secret string) (*minio.Client, error) {
	c, err := minio.New(s.Endpoint[len("http://"):],
		&minio.Options{Creds: credentials.NewStaticV4(access, secret, ""), Region: "us-east-1", MaxRetries: 1})
	if err != nil {
		return nil, fmt.Errorf("connecting to versitygw: %w", err)
	}
	return c, nil
}

// MakeBucket makes a bucket with Object Lock, which implies versions.
func (s *Server) MakeBucket(ctx context.Context, bucket string) error {
	c, err := s.Client()
	if err == nil {
		err = c.MakeBucket(ctx, bucket, minio.MakeBucketOptions{ObjectLocking: true})
	}
	if err != nil {
		return fmt.Errorf("making bucket %s: %w", bucket, err)
	}
	return nil
}

// Options are those of a store on the server, as its owner.
func (s *Server) Options() s3.Options { return s.OptionsAs(AccessKey, SecretKey) }

// OptionsAs are those of a store on the server under an account.
func (s *Server) OptionsAs(access, secret string) s3.Options {
	env := Environment(access, secret)
	return s3.Options{Endpoint: s.Endpoint, Region: "us-east-1", PathStyle: true,
		Getenv: func(k string) string { return env[k] }}
}

// Environment holds an account's credentials under the names of AWS.
func Environment(access, secret string) map[string]string {
	return map[string]string{"AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret}
}

// AddUser makes an account that may do only what a bucket's policy permits.
func (s *Server) AddUser(ctx context.Context, access, secret string) error {
	binary, err := build(ctx)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, binary, "admin", "--access", AccessKey, "--secret", SecretKey,
		"--endpoint-url", s.Endpoint,
		"create-user", "--access", access, "--secret", secret, "--role", "user")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("adding user %s: %w: %s", access, err, out)
	}
	return nil
}

func freeAddress(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("looking for a free port: %w", err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return "", fmt.Errorf("looking for a free port: %w", err)
	}
	return address, nil
}

// build installs the server into the directory of .ci/run's tools, one process of the machine at a time.
func build(ctx context.Context) (string, error) {
	dir := os.Getenv("WARD_CI_BIN")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("finding a place for versitygw: %w", err)
		}
		dir = filepath.Join(cache, "ward-ci", "bin")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("making a place for versitygw: %w", err)
	}
	binary := filepath.Join(dir, "versitygw")
	lock, err := os.OpenFile(filepath.Join(dir, ".versitygw.lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", fmt.Errorf("locking the place of versitygw: %w", err)
	}
	defer lock.Close() // unlocks too
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("locking the place of versitygw: %w", err)
	}
	if isBuilt(binary) {
		return binary, nil
	}
	cmd := exec.CommandContext(ctx, "go", "install", module+"@"+Version)
	cmd.Env = append(os.Environ(), "GOBIN="+dir, "GOFLAGS=")
	if err := needs.Build(ctx, cmd, "github.com/versity/versitygw"); err != nil {
		return "", fmt.Errorf("building versitygw %s: %w", Version, err)
	}
	if !isBuilt(binary) {
		return "", errors.New("go install left another versitygw than was asked for")
	}
	return binary, nil
}

// isBuilt says whether a program is the server in this version.
func isBuilt(binary string) bool {
	info, err := buildinfo.ReadFile(binary)
	return err == nil && info.Path == module && info.Main.Version == Version
}
