package postgres

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is the operating system's user that the server runs as. PostgreSQL
// refuses to run as root, so for root that is another user.
type account struct {
	name     string
	uid, gid uint32
	switched bool // other than the user we run as
}

// unprivileged are the users that root gives the server to, best first:
// packages create postgres (Debian) or _postgres (macOS); nobody is always
// there.
var unprivileged = []string{"postgres", "_postgres", "nobody"}

// serverAccount is who runs the server whose data are in dataDir. Data that
// exist already stay with their owner, so that root can start the server of
// an ordinary user.
func serverAccount(dataDir string) (account, error) {
	self := account{name: strconv.Itoa(os.Getuid()), uid: uint32(os.Getuid()), gid: uint32(os.Getgid())}
	if self.uid != 0 {
		return self, nil
	}
	if uid, gid, err := owner(dataDir); err == nil && uid != 0 {
		return account{name: strconv.Itoa(int(uid)), uid: uid, gid: gid, switched: true}, nil
	}
	for _, name := range unprivileged {
		if u, err := user.Lookup(name); err == nil {
			return parseAccount(u)
		}
	}
	return account{}, fmt.Errorf("PostgreSQL does not run as root and none of the users %v exists here: "+
		"create one (useradd --system postgres) or run ward as an ordinary user", unprivileged)
}

func parseAccount(u *user.User) (account, error) {
	uid, err := strconv.ParseInt(u.Uid, 10, 64) // macOS numbers nobody -2
	if err != nil {
		return account{}, fmt.Errorf("user %s: uid: %w", u.Username, err)
	}
	gid, err := strconv.ParseInt(u.Gid, 10, 64)
	if err != nil {
		return account{}, fmt.Errorf("user %s: gid: %w", u.Username, err)
	}
	return account{name: u.Username, uid: uint32(uid), gid: uint32(gid), switched: true}, nil
}

// credential is what a child process needs to run as the account; nil where
// it is our own.
func (a account) credential() *syscall.Credential {
	if !a.switched {
		return nil
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid}
}

// give makes the account the owner of path.
func (a account) give(path string) error {
	if !a.switched {
		return nil
	}
	if err := os.Lchown(path, int(a.uid), int(a.gid)); err != nil {
		return fmt.Errorf("give %s to user %s: %w", path, a.name, err)
	}
	return nil
}

// unreachable returns the first directory on the way to path, path included,
// that the account may not pass through; "" where there is none. Directories
// that do not exist yet do not count.
func (a account) unreachable(path string) string {
	if !a.switched {
		return ""
	}
	var above []string
	for dir := filepath.Clean(path); ; dir = filepath.Dir(dir) {
		above = append(above, dir)
		if dir == filepath.Dir(dir) {
			break
		}
	}
	for i := len(above) - 1; i >= 0; i-- {
		info, err := os.Stat(above[i])
		if err != nil {
			return ""
		}
		if info.IsDir() && !a.mayEnter(info) {
			return above[i]
		}
	}
	return ""
}

func (a account) mayEnter(info os.FileInfo) bool {
	perm := info.Mode().Perm()
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case ok && st.Uid == a.uid:
		return perm&0o100 != 0
	case ok && st.Gid == a.gid:
		return perm&0o010 != 0
	}
	return perm&0o001 != 0
}

func owner(path string) (uid, gid uint32, err error) {
	info, err := os.Lstat(path)
	if err != nil {
		return 0, 0, fmt.Errorf("owner of %s: %w", path, err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, fmt.Errorf("owner of %s: unknown on this system", path)
	}
	return st.Uid, st.Gid, nil
}
