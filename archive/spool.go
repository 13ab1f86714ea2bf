package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
)

// spoolInMemory is the greatest object that a copy by itself keeps in memory, copiesInMemory what the copies of a
// verification do together: a part of a million rows for each of two processors. To write a part to a file and read it
// back costs a tenth of what its verification does.
const (
	spoolInMemory  = 16 << 20
	copiesInMemory = 144 << 20
)

// spoolMemory is what the copies that are made through it may have of memory, all together; those for which none is
// left go to temporary files. Memory of a copy that was closed is used again.
type spoolMemory struct {
	mu   sync.Mutex
	left int64
	free [][]byte
}

// take returns n bytes; nil: there are not so many left.
func (m *spoolMemory) take(n int64) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := slices.IndexFunc(m.free, func(b []byte) bool { return int64(cap(b)) >= n }); i >= 0 {
		b := m.free[i]
		m.free = slices.Delete(m.free, i, i+1)
		return b[:n]
	}
	for len(m.free) > 0 && m.left < n {
		m.left += int64(cap(m.free[0]))
		m.free = slices.Delete(m.free, 0, 1)
	}
	if m.left < n {
		return nil
	}
	m.left -= n
	return make([]byte, n)
}

func (m *spoolMemory) give(b []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.free = append(m.free, b)
}

// spooled is a private copy of an object and its SHA-256. What is parsed is thereby what was hashed, and a distant
// store is read once.
type spooled struct {
	io.ReaderAt
	size int64
	sum  Hash
	file *os.File
	data []byte // where there is no file
	from *spoolMemory
}

// spool reads an object once, whole. Objects beyond limit bytes, where limit is not negative, are not read at all.
func spool(ctx context.Context, s Store, path string, limit int64, progress func(int64)) (*spooled, error) {
	return (&spoolMemory{left: spoolInMemory}).spool(ctx, s, path, limit, progress)
}

func (m *spoolMemory) spool(ctx context.Context, s Store, path string, limit int64,
	progress func(int64)) (*spooled, error) {
	b, err := s.Open(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	defer b.Close()
	sp := &spooled{size: b.Size(), from: m}
	if limit >= 0 && sp.size > limit {
		return nil, fmt.Errorf("reading %s: %w: %d bytes, want %d", path, errTooLarge, sp.size, limit)
	}
	if sp.data = m.take(sp.size); sp.data == nil {
		if sp.file, err = os.CreateTemp("", "ward-part-*"); err != nil {
			return nil, fmt.Errorf("copying %s: %w", path, err)
		}
		os.Remove(sp.file.Name())
	}
	if err := sp.fill(ctx, b, progress); err != nil {
		sp.Close()
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return sp, nil
}

// fill copies the object and hashes the copy.
func (s *spooled) fill(ctx context.Context, b Blob, progress func(int64)) error {
	stream, err := streamOf(b)
	if err != nil {
		return err
	}
	defer stream.Close()
	src := readerWithContext{ctx, stream}
	sum := sha256.New()
	buf := make([]byte, min(256<<10, s.size))
	for n := int64(0); n < s.size; {
		piece := buf[:min(int64(len(buf)), s.size-n)]
		if s.file == nil {
			piece = s.data[n:][:len(piece)]
		}
		if _, err := io.ReadFull(src, piece); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		sum.Write(piece)
		if s.file != nil {
			if _, err := s.file.Write(piece); err != nil {
				return err
			}
		}
		n += int64(len(piece))
		if progress != nil {
			progress(int64(len(piece)))
		}
	}
	sum.Sum(s.sum[:0])
	if s.ReaderAt = s.file; s.file == nil {
		s.ReaderAt = bytes.NewReader(s.data)
	}
	return nil
}

// Close frees the copy, which must not be read any more.
func (s *spooled) Close() {
	if s.file != nil {
		s.file.Close()
		return
	}
	s.ReaderAt = nil
	s.from.give(s.data)
	s.data = nil
}

// streamOf returns a blob's bytes in order.
func streamOf(b Blob) (io.ReadCloser, error) {
	if s, ok := b.(Streamer); ok {
		return s.Stream()
	}
	return io.NopCloser(io.NewSectionReader(b, 0, b.Size())), nil
}
