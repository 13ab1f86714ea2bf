package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
)

// spoolInMemory is the greatest object that spool keeps in memory.
const spoolInMemory = 16 << 20

// spooled is a private copy of an object and its SHA-256. What is parsed is thereby what was hashed, and a distant store
// is read once.
type spooled struct {
	io.ReaderAt
	size int64
	sum  Hash
	file *os.File
}

// spool reads an object once, whole. Objects beyond limit bytes, where limit is not negative, are not read at all.
func spool(ctx context.Context, s Store, path string, limit int64, progress func(int64)) (*spooled, error) {
	b, err := s.Open(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	defer b.Close()
	sp := &spooled{size: b.Size()}
	if limit >= 0 && sp.size > limit {
		return nil, fmt.Errorf("reading %s: %w: %d bytes, want %d", path, errTooLarge, sp.size, limit)
	}
	var out io.Writer
	var buf bytes.Buffer
	if sp.size <= spoolInMemory {
		buf.Grow(int(sp.size))
		out = &buf
	} else {
		if sp.file, err = os.CreateTemp("", "ward-part-*"); err != nil {
			return nil, fmt.Errorf("copying %s: %w", path, err)
		}
		os.Remove(sp.file.Name())
		out = sp.file
	}
	sum := sha256.New()
	stream, err := streamOf(b)
	if err != nil {
		sp.Close()
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	defer stream.Close()
	src := readerWithContext{ctx, io.LimitReader(stream, sp.size)}
	n, err := io.CopyBuffer(io.MultiWriter(out, sum, progressWriter(progress)), src, make([]byte, 256<<10))
	if err == nil && n != sp.size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		sp.Close()
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	sum.Sum(sp.sum[:0])
	if sp.ReaderAt = sp.file; sp.file == nil {
		sp.ReaderAt = bytes.NewReader(buf.Bytes())
	}
	return sp, nil
}

// Close frees the copy.
func (s *spooled) Close() {
	if s.file != nil {
		s.file.Close()
	}
}

type progressWriter func(int64)

func (f progressWriter) Write(p []byte) (int, error) {
	if f != nil {
		f(int64(len(p)))
	}
	return len(p), nil
}

// streamOf returns a blob's bytes in order.
func streamOf(b Blob) (io.ReadCloser, error) {
	if s, ok := b.(Streamer); ok {
		return s.Stream()
	}
	return io.NopCloser(io.NewSectionReader(b, 0, b.Size())), nil
}
