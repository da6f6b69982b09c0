package workspace

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"imreport/internal/errs"
)

// Limits of passwords.
const (
	passwordMin = 10  // characters
	passwordMax = 256 // bytes
)

// cost of argon2id: OWASP's recommendation of 2023 for one lane (19 MiB, two
// passes). A stored hash names its own cost, so it can be raised later.
type cost struct {
	memory  uint32 // KiB
	passes  uint32
	threads uint8
}

var costNow = cost{memory: 19 << 10, passes: 2, threads: 1}

const (
	saltBytes = 16
	hashBytes = 32
)

// hasher hashes passwords, at most two at a time: a flood of sign-ins must not
// take the memory of the work.
type hasher struct {
	slots chan struct{}
	cost  cost
}

func newHasher() hasher { return hasher{slots: make(chan struct{}, 2), cost: costNow} }

// make is the PHC text of a password.
func (h hasher) make(password string) string {
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // never fails, by its documentation
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.cost.memory, h.cost.passes, h.cost.threads,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(h.key(password, salt, h.cost)))
}

func (h hasher) key(password string, salt []byte, c cost) []byte {
	h.slots <- struct{}{}
	defer func() { <-h.slots }()
	return argon2.IDKey([]byte(password), salt, c.passes, c.memory, c.threads, hashBytes)
}

// check reports whether password is the one of stored, and whether stored was
// made at another cost and should be made again. An empty or unreadable stored
// hash takes as long as any other and is never right.
func (h hasher) check(stored, password string) (ok, stale bool) {
	c, salt, want, err := parsePHC(stored)
	if err != nil {
		h.key(password, make([]byte, saltBytes), h.cost)
		return false, false
	}
	return subtle.ConstantTimeCompare(h.key(password, salt, c), want) == 1, c != h.cost
}

func parsePHC(s string) (c cost, salt, key []byte, err error) {
	p := strings.Split(s, "$")
	if len(p) != 6 || p[1] != "argon2id" || p[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return c, nil, nil, fmt.Errorf("not an argon2id hash")
	}
	if _, err = fmt.Sscanf(p[3], "m=%d,t=%d,p=%d", &c.memory, &c.passes, &c.threads); err != nil {
		return c, nil, nil, err
	}
	if salt, err = base64.RawStdEncoding.DecodeString(p[4]); err != nil {
		return c, nil, nil, err
	}
	key, err = base64.RawStdEncoding.DecodeString(p[5])
	if err == nil && (len(key) != hashBytes || c.memory > 1<<20 || c.passes == 0 || c.threads == 0) {
		err = fmt.Errorf("argon2id parameters out of range")
	}
	return c, salt, key, err
}

// checkPassword says what is wrong with a new password of somebody.
func checkPassword(field, password, email, name string) []errs.Field {
	bad := func(key string, args ...any) []errs.Field {
		return []errs.Field{{Name: field, Key: key, Args: args}}
	}
	lower := strings.ToLower(password)
	local, _, _ := strings.Cut(email, "@")
	switch {
	case password == "":
		return bad("workspace.password.required")
	case !utf8.ValidString(password) || len(password) > passwordMax:
		return bad("workspace.password.too_long", passwordMax)
	case utf8.RuneCountInString(password) < passwordMin:
		return bad("workspace.password.too_short", passwordMin)
	case distinct(password) < 5, email != "" && (lower == email || strings.Trim(lower, "0123456789!@#$") == local),
		name != "" && lower == strings.ToLower(name):
		return bad("workspace.password.too_easy")
	}
	return nil
}

func distinct(s string) int {
	seen := map[rune]bool{}
	for _, r := range s {
		seen[r] = true
	}
	return len(seen)
}
