package postgres

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// maxSocketPath keeps the socket's path below what every system's sockaddr_un
// holds (104 bytes on macOS, 108 on Linux).
const maxSocketPath = 100

// state is what one process has to tell the next about a cluster.
type state struct {
	SocketDir string `json:"socket_dir"`
}

func (c *Cluster) statePath() string { return filepath.Join(c.base, "state.json") }

// socketDir is where the socket is; "" where that is not decided yet.
func (c *Cluster) socketDir() string {
	if dir := filepath.Join(c.base, "run"); len(filepath.Join(dir, ".s.PGSQL."+port)) < maxSocketPath {
		return dir
	}
	s, err := c.readState()
	if err != nil {
		return ""
	}
	return s.SocketDir
}

func (c *Cluster) readState() (state, error) {
	var s state
	text, err := os.ReadFile(c.statePath())
	if err != nil {
		return s, fmt.Errorf("read cluster's state: %w", err)
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("read cluster's state %s: %w", c.statePath(), err)
	}
	return s, nil
}

// ensureSocketDir makes a directory that only the server's user may enter.
func (c *Cluster) ensureSocketDir(who account) (string, error) {
	if dir := c.socketDir(); dir != "" {
		ok, err := privateDir(dir, who)
		if ok || err != nil && !errors.Is(err, fs.ErrNotExist) {
			return dir, err
		}
		if filepath.Dir(dir) == c.base {
			return dir, makePrivateDir(dir, who)
		}
	}
	// Made anew after a reboot or a cleaner has emptied /tmp, never under the
	// old name, which somebody else could have taken meanwhile.
	dir, err := os.MkdirTemp("/tmp", "ward-pg-")
	if err != nil {
		return "", fmt.Errorf("make socket directory: %w", err)
	}
	if err := who.give(dir); err != nil {
		return "", err
	}
	text, err := json.Marshal(state{SocketDir: dir})
	if err != nil {
		return "", fmt.Errorf("write cluster's state: %w", err)
	}
	return dir, c.writeFile(c.statePath(), text)
}

func makePrivateDir(dir string, who account) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	return who.give(dir)
}

// privateDir says whether dir is a directory of the account's that nobody
// else may enter.
func privateDir(dir string, who account) (bool, error) {
	info, err := os.Lstat(dir)
	if err != nil {
		return false, fmt.Errorf("look at socket directory: %w", err)
	}
	uid, _, err := owner(dir)
	if err != nil {
		return false, err
	}
	if !info.IsDir() || uid != who.uid || info.Mode().Perm() != 0o700 {
		return false,
			fmt.Errorf("socket directory %s is not a directory of mode 0700 of user %s: remove it and start again",
				dir, who.name)
	}
	return true, nil
}

// writeFile replaces a file of the cluster in one step and leaves it to the
// owner of the cluster's directory, who may be another than root.
func (c *Cluster) writeFile(path string, text []byte) error {
	tmp, err := os.CreateTemp(c.base, ".new-")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(text)
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		// The server's user reads its settings; the directory decides who
		// else may.
		err = os.Chmod(tmp.Name(), 0o644)
	}
	if err == nil {
		err = c.leaveToOwner(tmp.Name())
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func (c *Cluster) leaveToOwner(path string) error {
	if os.Getuid() != 0 {
		return nil
	}
	uid, gid, err := owner(c.base)
	if err != nil {
		return err
	}
	return os.Lchown(path, int(uid), int(gid))
}
