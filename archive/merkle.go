package archive

import (
	"crypto/sha256"

	"golang.org/x/mod/sumdb/tlog"
)

// leafHash is tlog.RecordHash, SHA-256(0x00 || data), of one row's hash, without its allocations.
func leafHash(h *Hash) Hash {
	var b [1 + sha256.Size]byte
	copy(b[1:], h[:])
	return sha256.Sum256(b[:])
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

// leafBatch collects the leaves of a growing tree whose size is a multiple of its length, and adds them as one subtree, hashed level by level in place.
type leafBatch struct {
	n      int
	leaves [1 << leafBatchLevel]Hash
}

const leafBatchLevel = 8

// add takes a row's hash in.
func (b *leafBatch) add(t *tree, row *Hash) {
	b.leaves[b.n] = leafHash(row)
	if b.n++; b.n < len(b.leaves) {
		return
	}
	for n := len(b.leaves) / 2; n > 0; n /= 2 {
		for i := range n {
			b.leaves[i] = nodeHash(&b.leaves[2*i], &b.leaves[2*i+1])
		}
	}
	t.add(subtree{leafBatchLevel, b.leaves[0]})
	b.n = 0
}

// flush adds the leaves that make no whole subtree.
func (b *leafBatch) flush(t *tree) {
	for _, leaf := range b.leaves[:b.n] {
		t.addLeaf(leaf)
	}
	b.n = 0
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
