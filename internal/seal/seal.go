// Package seal keeps secrets at rest: it seals them with XChaCha20-Poly1305
// under the instance's one key, and derives further keys from it.
package seal

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/crypto/chacha20poly1305"

	"imreport/internal/errs"
)

// KeySize is the length of the instance's key, bytes.
const KeySize = 32

// Box seals and opens.
type Box struct {
	aead cipher.AEAD
	key  []byte
}

// New makes a Box from the instance's key of KeySize bytes.
func New(key []byte) (*Box, error) {
	if len(key) != KeySize {
		return nil, errs.E(errs.Invalid, "seal.key_invalid", nil, len(key))
	}
	b := &Box{key: append([]byte(nil), key...)}
	aead, err := chacha20poly1305.NewX(b.Derive("seal"))
	if err != nil {
		return nil, err
	}
	b.aead = aead
	return b, nil
}

// ParseKey reads the key as IMREPORT_SECRET_KEY gives it: base64, 32 bytes.
func ParseKey(s string) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, errs.E(errs.Invalid, "seal.key_unreadable", err)
	}
	if len(key) != KeySize {
		return nil, errs.E(errs.Invalid, "seal.key_invalid", nil, len(key))
	}
	return key, nil
}

// LoadOrMake reads the key file "secret.key" in dir, and makes it when absent.
func LoadOrMake(dir string) ([]byte, error) {
	name := filepath.Join(dir, "secret.key")
	b, err := os.ReadFile(name)
	if err == nil {
		return ParseKey(string(trimSpace(b)))
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, errs.E(errs.Invalid, "seal.file_unusable", err, name)
	}
	key := make([]byte, KeySize)
	_, _ = rand.Read(key) // never fails, by its documentation
	text := base64.StdEncoding.EncodeToString(key) + "\n"
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		return nil, errs.E(errs.Invalid, "seal.file_unusable", err, name)
	}
	return key, nil
}

func trimSpace(b []byte) []byte {
	for len(b) > 0 && (b[len(b)-1] == '\n' || b[len(b)-1] == '\r' || b[len(b)-1] == ' ') {
		b = b[:len(b)-1]
	}
	return b
}

// Seal encrypts plain; subject names where it is kept ("api_key/ID") and must
// be the same at Open, so that a sealed text cannot be moved to another row.
func (b *Box) Seal(plain, subject string) string {
	nonce := make([]byte, b.aead.NonceSize(), b.aead.NonceSize()+len(plain)+b.aead.Overhead())
	_, _ = rand.Read(nonce)
	return base64.RawStdEncoding.EncodeToString(b.aead.Seal(nonce, nonce, []byte(plain), []byte(subject)))
}

// Open decrypts what Seal made. The error seal.wrong_key means that the
// instance's key is not the one that sealed it.
func (b *Box) Open(sealed, subject string) (string, error) {
	raw, err := base64.RawStdEncoding.DecodeString(sealed)
	if err != nil || len(raw) < b.aead.NonceSize() {
		return "", errs.E(errs.Internal, "seal.wrong_key", fmt.Errorf("open %s: malformed", subject))
	}
	n := b.aead.NonceSize()
	plain, err := b.aead.Open(nil, raw[:n], raw[n:], []byte(subject))
	if err != nil {
		return "", errs.E(errs.Internal, "seal.wrong_key", fmt.Errorf("open %s: %w", subject, err))
	}
	return string(plain), nil
}

// Derive makes a key of KeySize bytes for one purpose.
func (b *Box) Derive(purpose string) []byte {
	key, err := hkdf.Key(sha256.New, b.key, nil, "imreport/"+purpose, KeySize)
	if err != nil {
		panic(err) // only for lengths out of range
	}
	return key
}

// MAC is HMAC-SHA256 of message under the key of purpose: for tokens that can
// be made again, and for hashes of addresses that nobody can reverse.
func (b *Box) MAC(purpose, message string) []byte {
	m := hmac.New(sha256.New, b.Derive(purpose))
	m.Write([]byte(message))
	return m.Sum(nil)
}
