package archive

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"runtime"

	"github.com/parquet-go/parquet-go/format"
	"golang.org/x/sync/errgroup"
)

// groupChecks checks a part's row groups as a verifier would, each while the next one is written: before anything is
// stored that could never be removed, the rows' hashes are found right, and what was encoded is found to be what can be
// decoded.
type groupChecks struct {
	ctx    context.Context
	check  *partCheck
	jobs   *errgroup.Group
	groups []*group
	chunks [][numColumns]chunkFacts
	spare  chan *bytes.Buffer
}

func newGroupChecks(ctx context.Context, info *PartInfo) (*groupChecks, error) {
	check, err := newPartCheck(info.Month, func(tenant string) (Position, bool) { return info.prev(tenant), true }, 1)
	if err != nil {
		return nil, err
	}
	workers := min(4, runtime.GOMAXPROCS(0))
	c := &groupChecks{check: check, spare: make(chan *bytes.Buffer, workers)}
	c.jobs, c.ctx = errgroup.WithContext(ctx)
	c.jobs.SetLimit(workers)
	return c, nil
}

// take begins to check a row group's file, and waits where too many are being checked.
func (c *groupChecks) take(file *bytes.Buffer) (*bytes.Buffer, error) {
	data := bytes.NewReader(file.Bytes())
	part, err := openPart(data, data.Size())
	if err != nil {
		return nil, err
	}
	rows := part.groups()[0]
	chunks, err := factsOf(&rows)
	if err != nil {
		return nil, err
	}
	out := &group{}
	c.groups, c.chunks = append(c.groups, out), append(c.chunks, chunks)
	c.jobs.Go(func() error {
		err := c.check.readGroup(c.ctx, rows, out)
		select {
		case c.spare <- file:
		default:
		}
		return err
	})
	select {
	case b := <-c.spare:
		return b, nil
	default:
		return &bytes.Buffer{}, nil
	}
}

// wait ends the checks, whose memory is not used any more then.
func (c *groupChecks) wait() error { return c.jobs.Wait() }

// finish says whether the file has the row groups that were checked, and they say what m does.
func (c *groupChecks) finish(r io.ReaderAt, m *Manifest) error {
	if err := c.wait(); err != nil {
		return fmt.Errorf("checking part %d: %w", m.Part, err)
	}
	if err := c.compare(r, m.Bytes); err != nil {
		return fmt.Errorf("checking part %d: %w", m.Part, err)
	}
	groups := make([]group, len(c.groups))
	for i, g := range c.groups {
		groups[i] = *g
	}
	facts, found := c.check.merge(groups)
	facts.compare(m, found)
	if len(found.list) == 0 {
		return nil
	}
	first := found.list[0]
	return fmt.Errorf("checking part %d: %w", m.Part,
		&RowError{first.Tenant, first.Seq, "is not what the chain says: " + first.String()})
}

// compare holds the column chunks of a file against those that were checked.
func (c *groupChecks) compare(r io.ReaderAt, size int64) error {
	part, err := openPart(r, size)
	if err != nil {
		return err
	}
	groups := part.groups()
	if len(groups) != len(c.groups) {
		return fmt.Errorf("%w: %d row groups, %d were written", errStructure, len(groups), len(c.groups))
	}
	for i := range groups {
		got, err := factsOf(&groups[i])
		if err != nil {
			return err
		}
		if got != c.chunks[i] || groups[i].NumRows() != c.groups[i].facts.rows {
			return fmt.Errorf("%w: row group %d is not the one that was written", errStructure, i)
		}
	}
	return nil
}

// chunkFacts are what a column chunk is decoded by, and a checksum of its bytes: enough against a mistake of our own,
// which is all that can happen to a file between being written and being hashed.
type chunkFacts struct {
	kind                     format.Type
	codec                    format.CompressionCodec
	values, plain, data, all int64 // NumValues; uncompressed size; where the data pages begin; compressed size
	sum                      uint32
}

func factsOf(g *partGroup) (facts [numColumns]chunkFacts, err error) {
	for i := range g.columns {
		if facts[i], err = factsOfChunk(g.file.r, g.file.size, &g.columns[i].MetaData); err != nil {
			return facts, fmt.Errorf("column %d: %w", i, err)
		}
	}
	return facts, nil
}

func factsOfChunk(r io.ReaderAt, size int64, m *format.ColumnMetaData) (chunkFacts, error) {
	at := chunkStart(m)
	if at < 4 || m.TotalCompressedSize < 0 || m.TotalCompressedSize > size-at {
		return chunkFacts{}, fmt.Errorf("%w: %d bytes at %d", errStructure, m.TotalCompressedSize, at)
	}
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	if _, err := io.Copy(sum, io.NewSectionReader(r, at, m.TotalCompressedSize)); err != nil {
		return chunkFacts{}, fmt.Errorf("reading: %w", err)
	}
	return chunkFacts{m.Type, m.Codec, m.NumValues, m.TotalUncompressedSize, m.DataPageOffset - at,
		m.TotalCompressedSize, sum.Sum32()}, nil
}
