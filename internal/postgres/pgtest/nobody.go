package pgtest

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// nobody is the unprivileged user of Linux; any number without files would do.
const nobody = 65534

// RunAsNobody runs this package's tests that match the pattern once more, as
// an unprivileged user, and returns their verbose output. Only root can.
func RunAsNobody(t testing.TB, pattern string) (output string, err error) {
	t.Helper()
	// A copy: `go test` keeps the binary where only its own user gets to.
	dir, err := os.MkdirTemp("/tmp", "ward-nobody-")
	if err != nil {
		return "", fmt.Errorf("make directory: %w", err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	binary := filepath.Join(dir, "package.test")
	if err := copyProgram(binary); err != nil {
		return "", err
	}
	if err := os.Chown(dir, nobody, nobody); err != nil {
		return "", fmt.Errorf("give directory away: %w", err)
	}
	cmd := exec.CommandContext(t.Context(), binary, "-test.v", "-test.count=1", "-test.run="+pattern)
	cmd.Dir = dir
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "HOME=") && !strings.HasPrefix(v, "XDG_") && !strings.HasPrefix(v, "WARD_DATA=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "HOME="+dir, "TMPDIR="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func copyProgram(to string) error {
	from, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find test binary: %w", err)
	}
	src, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("copy test binary: %w", err)
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return fmt.Errorf("copy test binary: %w", err)
	}
	_, err = io.Copy(dst, src)
	if closeErr := dst.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("copy test binary: %w", err)
	}
	return nil
}
