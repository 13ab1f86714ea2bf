package postgres

import (
	"fmt"
	"os"
	"path/filepath"
)

// rootDataDir is where root's installation lives when root's own home is
// closed to the server's user, as it is nearly everywhere.
const rootDataDir = "/var/lib/ward"

// DefaultDataDir is where ward keeps its data: $WARD_DATA, else ward under
// $XDG_DATA_HOME (or ~/.local/share) where the server's user can reach that,
// else, for root, /var/lib/ward. It creates nothing.
func DefaultDataDir() (string, error) {
	who, err := serverAccount("")
	if err != nil {
		return "", err
	}
	if dir := os.Getenv("WARD_DATA"); dir != "" {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return "", fmt.Errorf("WARD_DATA=%s: %w", dir, err)
		}
		if err := checkReachable(who, abs); err != nil {
			return "", fmt.Errorf("WARD_DATA=%s: %w", dir, err)
		}
		return abs, nil
	}
	home, err := dataHome()
	switch {
	case err == nil && who.unreachable(home) == "":
		return filepath.Join(home, "ward"), nil
	case who.switched:
		return rootDataDir, nil
	}
	return "", fmt.Errorf("find a place for ward's data: %w: set WARD_DATA to a directory", err)
}

func dataHome() (string, error) {
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return dir, nil // the specification says to ignore a relative one
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find home directory: %w", err)
	}
	return filepath.Join(home, ".local", "share"), nil
}

func checkReachable(who account, dir string) error {
	if closed := who.unreachable(dir); closed != "" {
		return fmt.Errorf("root runs PostgreSQL as user %s, who may not enter %s: choose a directory outside of it "+
			"(WARD_DATA=%s), open it (chmod a+x %s), or run ward as an ordinary user",
			who.name, closed, rootDataDir, closed)
	}
	return nil
}
