package tenancy_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"math/big"
	"testing"

	"github.com/ward-health/ward/internal/wardtest"
)

// rs256 asks the database.
func rs256(e *wardtest.Env, signed, signature, n []byte, exponent int) bool {
	return wardtest.One[bool](e, "select core.rs256($1, $2, $3, $4)", signed, signature, n, exponent)
}

func newKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t testing.TB, key *rsa.PrivateKey, message []byte) []byte {
	t.Helper()
	h := sha256.Sum256(message)
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, h[:])
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

// The database says of a signature what Go's crypto/rsa says.
func TestRS256AgreesWithGo(t *testing.T) {
	t.Parallel()
	e := wardtest.New(t)
	for _, bits := range []int{2048, 2049, 3072, 4096} {
		key := newKey(t, bits)
		n := key.N.Bytes()
		for i := range 20 {
			message := make([]byte, i*37)
			_, _ = rand.Read(message)
			signature := sign(t, key, message)
			if !rs256(e, message, signature, n, key.E) {
				t.Fatalf("%d bits: a right signature is refused", bits)
			}
			broken := append([]byte(nil), signature...)
			broken[i*len(broken)/20] ^= 1 << (i % 8)
			h := sha256.Sum256(message)
			if rs256(e, message, broken, n, key.E) ||
				rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, h[:], broken) == nil {
				t.Fatalf("%d bits: a signature with one bit turned is accepted", bits)
			}
			if rs256(e, append(message, 0), signature, n, key.E) {
				t.Fatalf("%d bits: another message is accepted", bits)
			}
		}
	}
}

// raise is the private operation on a block of the attacker's choosing: what a signer would never do, or what an
// attacker reaches with a small exponent.
func raise(key *rsa.PrivateKey, block []byte) []byte {
	s := new(big.Int).Exp(new(big.Int).SetBytes(block), key.D, key.N)
	return s.FillBytes(make([]byte, len(key.N.Bytes())))
}

// padded is EMSA-PKCS1-v1_5 with what varies in the attacks: the prefix, how much padding, what follows the hash.
func padded(k int, kind byte, pad byte, info, hash, after []byte) []byte {
	block := []byte{0, kind}
	for len(block) < k-1-len(info)-len(hash)-len(after) {
		block = append(block, pad)
	}
	return append(append(append(append(block, 0), info...), hash...), after...)
}

// sha256Info is the DigestInfo of SHA-256 (RFC 8017 9.2, note 1).
var sha256Info = []byte{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
	0x00, 0x04, 0x20}

// Blocks that verifiers were known to take. Each is signed with the real key, so that only the comparison of the block
// can refuse it.
func TestRS256RefusesForgedBlocks(t *testing.T) {
	t.Parallel()
	e := wardtest.New(t)
	key := newKey(t, 2048)
	n, k := key.N.Bytes(), 256
	message := []byte("header.claims")
	h := sha256.Sum256(message)
	if !rs256(e, message, raise(key, padded(k, 1, 0xff, sha256Info, h[:], nil)), n, key.E) {
		t.Fatal("the right block is refused")
	}
	noNull := append([]byte{0x30, 0x2f, 0x30, 0x0b}, sha256Info[4:15]...)
	noNull = append(noNull, 0x04, 0x20)
	sha512 := append([]byte(nil), sha256Info...)
	sha512[14] = 0x03
	longForm := append([]byte{0x30, 0x81, 0x31}, sha256Info[2:]...)
	short := append(append([]byte{0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0}, sha256Info...), h[:]...)
	for name, block := range map[string][]byte{
		"garbage after the hash (Bleichenbacher 2006)": append(short, make([]byte, k-len(short))...),
		"random after the hash":                        padded(k, 1, 0xff, sha256Info, h[:], []byte("garbage")),
		"garbage in the parameters (CVE-2006-4790)": padded(k, 1, 0xff,
			append(append([]byte{0x30, 0x35, 0x30, 0x11}, sha256Info[2:17]...), 1, 2, 3, 4, 0x04, 0x20), h[:], nil),
		"no NULL parameters":              padded(k, 1, 0xff, noNull, h[:], nil),
		"another algorithm's name":        padded(k, 1, 0xff, sha512, h[:], nil),
		"a length in long form (BERserk)": padded(k, 1, 0xff, longForm, h[:], nil),
		"no algorithm":                    padded(k, 1, 0xff, nil, h[:], nil),
		"block type 0":                    padded(k, 0, 0x00, sha256Info, h[:], nil),
		"block type 2":                    padded(k, 2, 0xff, sha256Info, h[:], nil),
		"padding of zeros":                padded(k, 1, 0x00, sha256Info, h[:], nil),
		"padding with another byte":       padded(k, 1, 0xfe, sha256Info, h[:], nil),
		"the hash alone at the end":       append(make([]byte, k-32), h[:]...),
		"one":                             append(make([]byte, k-1), 1),
	} {
		if len(block) != k {
			t.Fatalf("%s: %d bytes", name, len(block))
		}
		if rs256(e, message, raise(key, block), n, key.E) {
			t.Errorf("accepted: %s", name)
		}
	}
}

// Numbers that are no signature, and keys that are none.
func TestRS256RefusesBadNumbers(t *testing.T) {
	t.Parallel()
	e := wardtest.New(t)
	key := newKey(t, 2048)
	n, k := key.N.Bytes(), 256
	message := []byte("header.claims")
	good := sign(t, key, message)
	s := new(big.Int).SetBytes(good)
	over := new(big.Int).Add(s, key.N)
	block := padded(k, 1, 0xff, sha256Info, func() []byte { h := sha256.Sum256(message); return h[:] }(), nil)
	three, byThree := keyOfThree(t, block)
	if new(big.Int).Exp(byThree, big.NewInt(3), three).Cmp(new(big.Int).SetBytes(block)) != 0 {
		t.Fatal("the signature under exponent 3 is not one")
	}
	small := newKey(t, 1024)
	weak, err := rsa.GenerateMultiPrimeKey(rand.Reader, 2, 2047) //nolint:staticcheck // no other way to an odd size
	if err != nil {
		t.Fatal(err)
	}
	big5k := newKey(t, 4104)
	for _, c := range []struct {
		name         string
		signature, n []byte
		e            int
	}{
		{"a byte short", good[1:], n, key.E},
		{"a zero before it", append([]byte{0}, good...), n, key.E},
		{"a zero after it", append(append([]byte(nil), good...), 0), n, key.E},
		{"empty", nil, n, key.E},
		{"s + n, one byte longer", over.FillBytes(make([]byte, k+1)), n, key.E},
		{"n itself", n, n, key.E},
		{"all ones", fill(k, 0xff), n, key.E},
		{"zero", make([]byte, k), n, key.E},
		{"exponent 1: the block is its own signature", block, n, 1},
		{"exponent 3, rightly signed", byThree.FillBytes(make([]byte, k)), three.Bytes(), 3},
		{"even exponent", good, n, 65538},
		{"no exponent", good, n, 0},
		{"negative exponent", good, n, -65537},
		{"1024 bits", sign(t, small, message), small.N.Bytes(), small.E},
		{"2047 bits", sign(t, weak, message), weak.N.Bytes(), weak.E},
		{"4104 bits", sign(t, big5k, message), big5k.N.Bytes(), big5k.E},
		{"a modulus with a zero before it", append([]byte{0}, good...), append([]byte{0}, n...), key.E},
		{"an even modulus", good, append(append([]byte(nil), n[:k-1]...), n[k-1]-1), key.E},
		{"no modulus", good, nil, key.E},
	} {
		if rs256(e, message, c.signature, c.n, c.e) {
			t.Errorf("accepted: %s", c.name)
		}
	}
	// s + n of the same length, where it fits: another writing of the same signature
	for range 64 {
		if over.BitLen() <= 8*k {
			break
		}
		key = newKey(t, 2048)
		s = new(big.Int).SetBytes(sign(t, key, message))
		over = new(big.Int).Add(s, key.N)
	}
	if over.BitLen() > 8*k {
		t.Fatal("no key found where s + n fits")
	}
	if rs256(e, message, over.FillBytes(make([]byte, k)), key.N.Bytes(), key.E) {
		t.Error("accepted: s + n")
	}
}

// keyOfThree is a modulus whose public exponent may be 3, and what signs block under it.
func keyOfThree(t *testing.T, block []byte) (n, signature *big.Int) {
	t.Helper()
	one := big.NewInt(1)
	for range 200 {
		key := newKey(t, 2048)
		phi := new(big.Int).Mul(new(big.Int).Sub(key.Primes[0], one), new(big.Int).Sub(key.Primes[1], one))
		if d := new(big.Int).ModInverse(big.NewInt(3), phi); d != nil {
			return key.N, new(big.Int).Exp(new(big.Int).SetBytes(block), d, key.N)
		}
	}
	t.Fatal("no key found")
	return nil, nil
}

func fill(n int, with byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = with
	}
	return b
}
