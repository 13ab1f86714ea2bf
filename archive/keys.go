package archive

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// Key is a public key: a [note.Verifier] that still knows its text.
type Key struct {
	note.Verifier
	// Text is the key in the form "<name>+<hash>+<base64>".
	Text string
}

// Fingerprint is [Fingerprint] of the key.
func (k Key) Fingerprint() string { return Fingerprint(k.Text) }

// Signer is a private key together with its public one.
type Signer struct {
	note.Signer
	key Key
}

// Key returns the public key.
func (s *Signer) Key() Key { return s.key }

var errMalformedSigner = errors.New("malformed signing key")

// GenerateKey makes an Ed25519 key pair under a name without blanks and plus signs, by custom the origin of the log it
// signs. Whoever has signer can sign; vkey is for everybody.
func GenerateKey(name string) (signer, vkey string, err error) {
	signer, vkey, err = note.GenerateKey(rand.Reader, name)
	if err == nil {
		_, err = note.NewSigner(signer)
	}
	if err != nil {
		return "", "", fmt.Errorf("generating key %q: %w", name, err)
	}
	return signer, vkey, nil
}

// WriteSigner creates file, readable by its owner only, with a signing key. It replaces nothing.
func WriteSigner(file, signer string) error {
	if _, err := NewSigner(signer); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("writing signing key: %w", err)
	}
	_, err = f.WriteString(signer + "\n")
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("writing signing key: %w", err)
	}
	return nil
}

// LoadSigner reads a signing key from a file that nobody but its owner may read.
func LoadSigner(file string) (*Signer, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("loading signing key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("loading signing key: %s is open to others (mode %04o), want 0600", file,
			info.Mode().Perm())
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("loading signing key: %w", err)
	}
	return NewSigner(strings.TrimSpace(string(data)))
}

// NewSigner parses a signing key.
func NewSigner(text string) (*Signer, error) {
	s, err := note.NewSigner(text)
	if err != nil {
		return nil, errMalformedSigner
	}
	// PRIVATE+KEY+<name>+<hash>+<base64 of algorithm and seed>
	fields := strings.SplitN(text, "+", 5)
	raw, err := base64.StdEncoding.DecodeString(fields[len(fields)-1])
	if err != nil || len(raw) != 1+ed25519.SeedSize {
		return nil, errMalformedSigner
	}
	private := ed25519.NewKeyFromSeed(raw[1:])
	public := ed25519.PublicKey(private[ed25519.PublicKeySize:]) // RFC 8032: the seed, then the public key
	vkey, err := note.NewEd25519VerifierKey(s.Name(), public)
	if err != nil {
		return nil, errMalformedSigner
	}
	key, err := ParseKey(vkey)
	if err != nil {
		return nil, err
	}
	return &Signer{Signer: s, key: key}, nil
}

// ParseKey parses a public key.
func ParseKey(text string) (Key, error) {
	text = strings.TrimSpace(text)
	v, err := note.NewVerifier(text)
	if err != nil {
		return Key{}, fmt.Errorf("parsing public key: %w", err)
	}
	return Key{Verifier: v, Text: text}, nil
}

// LoadVerifier returns the public key that is given as text or that stands in a file.
func LoadVerifier(textOrFile string) (Key, error) {
	if key, err := ParseKey(textOrFile); err == nil {
		return key, nil
	}
	data, err := os.ReadFile(textOrFile)
	if errors.Is(err, fs.ErrNotExist) {
		return Key{}, fmt.Errorf("%q is neither a public key nor a file that holds one", textOrFile)
	}
	if err != nil {
		return Key{}, fmt.Errorf("loading public key: %w", err)
	}
	return ParseKey(string(data))
}

// Fingerprint returns "SHA256:" and the unpadded base64 of SHA-256 of a public key's text, for comparing over the
// telephone or in a contract.
func Fingerprint(vkey string) string {
	sum := sha256.Sum256([]byte(strings.TrimSpace(vkey)))
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}
