package archive

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// Head is the head of a region's log of manifests, as a checkpoint states it.
type Head struct {
	// Origin is ward/<installation>/<region>.
	Origin string `json:"origin"`
	// Region is the last element of Origin.
	Region string `json:"region"`
	// Size is the number of manifests.
	Size int64 `json:"size"`
	// Root is the Merkle root over them, in base64.
	Root string `json:"root"`
	// KeyName and KeyFingerprint say whose signature was checked.
	KeyName        string `json:"key_name"`
	KeyFingerprint string `json:"key_fingerprint"`
	// Checkpoint is the signed note itself, to be kept as the head to expect next time.
	Checkpoint string `json:"checkpoint"`

	root Hash
}

var originPattern = regexp.MustCompile(`^ward/[A-Za-z0-9][A-Za-z0-9._-]{0,62}/([a-z0-9][a-z0-9_-]{0,62})$`)

var (
	errUnsigned     = errors.New("no valid signature")
	errUntrustedKey = errors.New("signed by a key that is not trusted")
	errMalformed    = errors.New("malformed")
)

// Origin returns the name of a region's log: ward/<installation>/<region>.
func Origin(installation, region string) string { return "ward/" + installation + "/" + region }

// OriginRegion returns the region in the name of a log.
func OriginRegion(origin string) (string, error) {
	m := originPattern.FindStringSubmatch(origin)
	if m == nil {
		return "", fmt.Errorf("log origin %q: want ward/<installation>/<region>", origin)
	}
	return m[1], nil
}

// openNote returns the text of a note that one of keys signed. It is stricter than note.Open: the base64 of that
// signature must be the canonical one, so that no bit of a note can change unseen.
func openNote(data []byte, keys []Key) (string, Key, error) {
	var list []note.Verifier
	for _, k := range keys {
		list = append(list, k.Verifier)
	}
	n, err := note.Open(data, note.VerifierList(list...))
	var unverified *note.UnverifiedNoteError
	switch {
	case errors.As(err, &unverified):
		return "", Key{}, fmt.Errorf("%w: %s", errUntrustedKey, signerNames(unverified.Note.UnverifiedSigs))
	case err != nil:
		return "", Key{}, fmt.Errorf("%w: %w", errUnsigned, err)
	}
	for _, sig := range n.Sigs {
		if _, err := base64.StdEncoding.Strict().DecodeString(sig.Base64); err != nil {
			return "", Key{}, fmt.Errorf("%w: %w", errUnsigned, err)
		}
	}
	for _, k := range keys {
		if k.Name() == n.Sigs[0].Name && k.KeyHash() == n.Sigs[0].Hash {
			return n.Text, k, nil
		}
	}
	return "", Key{}, errUntrustedKey
}

func signerNames(sigs []note.Signature) string {
	var names []string
	for _, s := range sigs {
		names = append(names, fmt.Sprintf("%s+%08x", s.Name, s.Hash))
	}
	return strings.Join(names, ", ")
}

// ParseCheckpoint checks the signature of a checkpoint and reads it.
func ParseCheckpoint(data []byte, keys ...Key) (Head, error) {
	text, key, err := openNote(data, keys)
	if err != nil {
		return Head{}, fmt.Errorf("opening checkpoint: %w", err)
	}
	h, err := parseCheckpointText(text)
	if err != nil {
		return Head{}, fmt.Errorf("parsing checkpoint: %w", err)
	}
	h.KeyName, h.KeyFingerprint, h.Checkpoint = key.Name(), key.Fingerprint(), string(data)
	return h, nil
}

// PeekCheckpoint reads what a checkpoint says, whoever signed it: which key that may be, the log's notes about keys
// tell ([VerifyOptions.ExpectHeads]). The head has no key, and proves nothing.
func PeekCheckpoint(data []byte) (Head, error) {
	var unverified *note.UnverifiedNoteError
	if _, err := note.Open(data, note.VerifierList()); !errors.As(err, &unverified) {
		return Head{}, fmt.Errorf("opening checkpoint: %w: %w", errUnsigned, err)
	}
	h, err := parseCheckpointText(unverified.Note.Text)
	if err != nil {
		return Head{}, fmt.Errorf("parsing checkpoint: %w", err)
	}
	h.KeyName, h.Checkpoint = signerNames(unverified.Note.UnverifiedSigs), string(data)
	return h, nil
}

// parseCheckpointText reads origin, size and root, each a line, and allows nothing else.
func parseCheckpointText(text string) (Head, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return Head{}, fmt.Errorf("%w: want three lines", errMalformed)
	}
	region, err := OriginRegion(lines[0])
	if err != nil {
		return Head{}, fmt.Errorf("%w: %w", errMalformed, err)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 1 || size > maxPart || strconv.FormatInt(size, 10) != lines[1] {
		return Head{}, fmt.Errorf("%w: size %q", errMalformed, lines[1])
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != len(Hash{}) {
		return Head{}, fmt.Errorf("%w: root %q", errMalformed, lines[2])
	}
	return Head{Origin: lines[0], Region: region, Size: size, Root: lines[2], root: Hash(root)}, nil
}

// formatCheckpoint returns the text of a checkpoint, without its signature.
func formatCheckpoint(origin string, size int64, root Hash) string {
	return fmt.Sprintf("%s\n%d\n%s\n", origin, size, base64.StdEncoding.EncodeToString(root[:]))
}

func signCheckpoint(origin string, size int64, root Hash, s *Signer) (Head, error) {
	text := formatCheckpoint(origin, size, root)
	data, err := note.Sign(&note.Note{Text: text}, s)
	if err != nil {
		return Head{}, fmt.Errorf("signing checkpoint %d: %w", size, err)
	}
	return ParseCheckpoint(data, s.Key())
}

// newestHead reads a region's newest checkpoint, under whichever of its log's keys the given ones lead to, and returns
// those keys too.
func newestHead(ctx context.Context, store Store, r *regionObjects, keys ...Key) (Head, *ring, error) {
	o := r.checkpoints[len(r.checkpoints)-1]
	known := newRing(keys)
	if err := known.follow(ctx, store, r, func(object, error) {}); err != nil {
		return Head{}, nil, err
	}
	data, err := readObject(ctx, store, o.path)
	if err != nil {
		return Head{}, nil, err
	}
	h, err := known.checkpoint(data)
	if err == nil && (h.Region != r.region || h.Size != o.number) {
		err = errWrongLog
	}
	if err != nil {
		return Head{}, nil, fmt.Errorf("%s: %w", o.path, err)
	}
	return h, known, nil
}
