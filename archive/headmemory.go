package archive

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// maxRemembered bounds the file of a HeadMemory.
const maxRemembered = 1 << 20

// HeadMemory is an auditor's memory of the heads they saw, so that the next verification proves that the log only grew.
// Its file is one JSON object: {"FINGERPRINT ORIGIN": checkpoint}. A nil memory knows nothing and keeps nothing.
type HeadMemory struct {
	path, key string

	mu   sync.Mutex
	held map[string]string // without a file
}

// NewHeadMemory remembers, in a file, the heads of logs under a trusted key, by its fingerprint. An empty path is a
// memory that ends with the process.
func NewHeadMemory(path, fingerprint string) *HeadMemory {
	return &HeadMemory{path: path, key: fingerprint, held: map[string]string{}}
}

// Load returns the checkpoints remembered under the key, as [VerifyOptions.ExpectHeads] wants them.
func (h *HeadMemory) Load() ([][]byte, error) {
	if h == nil {
		return nil, nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	all, err := h.all()
	if err != nil {
		return nil, err
	}
	var out [][]byte
	for name, text := range all {
		if strings.HasPrefix(name, h.key+" ") {
			out = append(out, []byte(text))
		}
	}
	return out, nil
}

// Save remembers the heads of a verification that found the archive valid. A head that is known already and longer
// stays: another verification may have ended meanwhile, and a shorter one would let the log be cut back to it.
func (h *HeadMemory) Save(heads []Head) error {
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	all, err := h.all()
	if err != nil {
		return err
	}
	for _, x := range heads {
		name := h.key + " " + x.Origin
		if noteSize(all[name]) <= x.Size {
			all[name] = x.Checkpoint
		}
	}
	if h.path == "" {
		return nil
	}
	if err := h.write(all); err != nil {
		return fmt.Errorf("remember heads: %w", err)
	}
	return nil
}

func (h *HeadMemory) all() (map[string]string, error) {
	if h.path == "" {
		return h.held, nil
	}
	f, err := os.Open(h.path)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]string{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read remembered heads: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxRemembered))
	if err != nil {
		return nil, fmt.Errorf("read remembered heads: %w", err)
	}
	heads := map[string]string{}
	if err := json.Unmarshal(b, &heads); err != nil || heads == nil {
		return nil, fmt.Errorf(
			"remembered heads in %s are damaged: restore the file, or remove it and lose what it proves", h.path)
	}
	return heads, nil
}

// write replaces the file whole or not at all.
func (h *HeadMemory) write(all map[string]string) error {
	b, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	dir := filepath.Dir(h.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".heads-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already where it was renamed
	_, written := f.Write(b)
	if err := errors.Join(written, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), h.path)
}

// noteSize is the size that a remembered checkpoint states; 0 for none.
func noteSize(checkpoint string) int64 {
	text, _, _ := strings.Cut(checkpoint, "\n\n")
	head, err := parseCheckpointText(text + "\n")
	if err != nil {
		return 0
	}
	return head.Size
}
