package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ward-health/ward/archive"
)

// headState is an auditor's memory of the heads they saw, by key and log: {"KEY ORIGIN": checkpoint}.
type headState struct {
	off  bool
	path string
	key  string
}

func (h *headState) all() (map[string]string, error) {
	b, err := readSmall(h.path)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]string{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read remembered heads: %w", err)
	}
	heads := map[string]string{}
	if err := json.Unmarshal(b, &heads); err != nil {
		return nil, fmt.Errorf("remembered heads in %s are damaged: restore the file, or remove it and lose what it proves", h.path)
	}
	return heads, nil
}

// load gives the remembered checkpoints of this key.
func (h *headState) load() ([][]byte, error) {
	if h.off {
		return nil, nil
	}
	all, err := h.all()
	if err != nil {
		return nil, err
	}
	var out [][]byte
	for name, text := range all {
		if len(name) > len(h.key) && name[:len(h.key)+1] == h.key+" " {
			out = append(out, []byte(text))
		}
	}
	return out, nil
}

// save remembers the heads of a verification that found the archive valid.
func (h *headState) save(heads []archive.Head) error {
	if h.off {
		return nil
	}
	all, err := h.all()
	if err != nil {
		return err
	}
	for _, x := range heads {
		all[h.key+" "+x.Origin] = x.Checkpoint
	}
	b, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("encode heads: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(h.path), 0o700); err != nil {
		return fmt.Errorf("remember heads: %w", err)
	}
	tmp := h.path + ".new"
	if err = os.WriteFile(tmp, b, 0o600); err == nil {
		err = os.Rename(tmp, h.path)
	}
	if err != nil {
		return fmt.Errorf("remember heads: %w", err)
	}
	return nil
}
