package workspace

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
)

// purpose separates the hashes of the kinds of secrets, so that a link can
// never be used as a token.
type purpose string

const (
	forToken      purpose = "api token"
	forSession    purpose = "session"
	forLink       purpose = "sign-in link"
	forInvitation purpose = "invitation"
	forAttempt    purpose = "sign-in attempt"
)

// newSecret is a fresh secret of 256 bits with a prefix that says what it is,
// so that a leaked one can be recognised.
func newSecret(prefix string) string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails, by its documentation
	return prefix + base64.RawURLEncoding.EncodeToString(b)
}

// fingerprint is what is stored of a secret: an HMAC under the instance's key,
// so that even a short one cannot be guessed from a stolen database. Rows are
// found by it; who tries secrets cannot steer it and learns nothing from how
// long the search takes.
func (s *Service) fingerprint(p purpose, secret string) string {
	return base64.RawURLEncoding.EncodeToString(s.box.MAC(string(p), secret))
}

// same compares two fingerprints in constant time.
func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
