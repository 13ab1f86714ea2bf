package archive

import (
	"crypto/sha256"

	"golang.org/x/mod/sumdb/tlog"
)

// blockRows is how many rows are one leaf of a part's Merkle tree. With a leaf for each row the tree would cost three
// more SHA-256 blocks a row; a proof shows a block's other hashes in the place of the path's lowest four.
const blockRows = 16

// leafHash is tlog.RecordHash, SHA-256(0x00 || data), of the hashes of a block's rows.
func leafHash(rows []Hash) Hash {
	var b [1 + blockRows*sha256.Size]byte
	n := 1
	for i := range rows {
		n += copy(b[n:], rows[i][:])
	}
	return sha256.Sum256(b[:n])
}

// nodeHash is tlog.NodeHash, SHA-256(0x01 || left || right).
func nodeHash(left, right *Hash) Hash {
	var b [1 + 2*sha256.Size]byte
	b[0] = 1
	copy(b[1:], left[:])
	copy(b[1+sha256.Size:], right[:])
	return sha256.Sum256(b[:])
}

// subtree is the hash of a complete subtree of 1<<level leaves.
type subtree struct {
	level uint8
	hash  Hash
}

// tree is the right edge of a growing Merkle tree (RFC 6962): the complete subtrees that make it up, largest first. The
// zero value is the empty tree.
type tree struct {
	size  int64
	edges []subtree
}

func (t *tree) clone() tree {
	return tree{t.size, append([]subtree(nil), t.edges...)}
}

func (t *tree) addLeaf(leaf Hash) { t.add(subtree{0, leaf}) }

// add appends the complete subtree s, which must be no larger than the smallest edge and must fall on a multiple of its
// own size; row groups of a power of two always do.
func (t *tree) add(s subtree) {
	t.size += 1 << s.level
	for n := len(t.edges); n > 0 && t.edges[n-1].level == s.level; n-- {
		s = subtree{s.level + 1, nodeHash(&t.edges[n-1].hash, &s.hash)}
		t.edges = t.edges[:n-1]
	}
	t.edges = append(t.edges, s)
}

// rowTree is the Merkle tree over a part's rows, or over those of a row group.
type rowTree struct {
	blocks tree
	rows   int64
	n      int // rows in block
	block  [blockRows]Hash
}

// add takes a row's hash in.
func (t *rowTree) add(row *Hash) {
	t.block[t.n] = *row
	t.rows++
	if t.n++; t.n == blockRows {
		t.flush()
	}
}

// flush makes a leaf of the last rows, also where they are no whole block: then nothing may follow.
func (t *rowTree) flush() {
	if t.n > 0 {
		t.blocks.addLeaf(leafHash(t.block[:t.n]))
		t.n = 0
	}
}

// root is the tree's hash when all rows were taken in.
func (t *rowTree) root() Hash {
	t.flush()
	return t.blocks.root()
}

// root is the tree's hash; that of the empty tree is SHA-256 of nothing.
func (t *tree) root() Hash {
	if len(t.edges) == 0 {
		return sha256.Sum256(nil)
	}
	h := t.edges[len(t.edges)-1].hash
	for i := len(t.edges) - 2; i >= 0; i-- {
		h = nodeHash(&t.edges[i].hash, &h)
	}
	return h
}

// manifestLeaf is the leaf that a manifest's bytes make in the log of manifests.
func manifestLeaf(data []byte) Hash { return Hash(tlog.RecordHash(data)) }
