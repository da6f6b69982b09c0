package naver

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxAge is how far X-Timestamp may be from the server's clock (fact sheet
// 1.3: 60.007 s was refused; the future side is inferred).
const maxAge = 60_000 * time.Millisecond

// key is a licence with its one valid secret.
type key struct {
	license, secret string
	revoked         bool
	// customers it reaches; nil means all.
	customers map[int64]bool
}

func (k *key) reaches(customer int64) bool { return k.customers == nil || k.customers[customer] }

// Sign is the signature of fact sheet 1.2: the secret's own bytes are the key,
// path has neither host nor query.
func Sign(secret, timestamp, method, path string) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(timestamp + "." + method + "." + path))
	return base64.StdEncoding.EncodeToString(m.Sum(nil))
}

// The URNs of the 403 bodies.
const problem = "urn:naver:api:problem:"

// authenticate answers the 403 body for a request that must not pass, nil for
// one that may. Order: headers, key, timestamp, signature, customer right.
func (s *Server) authenticate(r *http.Request, now time.Time, c *call) obj {
	for _, h := range []string{"X-API-KEY", "X-Timestamp", "X-Customer", "X-Signature"} {
		if r.Header.Get(h) == "" && (h != "X-Customer" || !accountCall(r)) {
			return obj{"header": h, "status": 403, "type": problem + "missing-header", "title": "Missing Header",
				"detail": "HTTP header required: " + h}
		}
	}
	license := r.Header.Get("X-API-KEY")
	k := s.keys[license]
	if k == nil || k.revoked {
		return obj{"apikey": license, "status": 403, "type": problem + "invalid-apikey", "title": "Invalid API-KEY",
			"detail": fmt.Sprintf("API-KEY '%s' is invalid.", license)}
	}
	ts := r.Header.Get("X-Timestamp")
	ms, err := strconv.ParseInt(ts, 10, 64)
	if age := now.Add(s.skew).Sub(time.UnixMilli(ms)); err != nil || age > maxAge || age < -maxAge {
		return obj{"timestamp": ts, "status": 403, "type": problem + "invalid-timestamp", "title": "Invalid Timestamp",
			"detail": "Request has expired."}
	}
	sig := r.Header.Get("X-Signature")
	if !hmac.Equal([]byte(sig), []byte(Sign(k.secret, ts, r.Method, r.URL.EscapedPath()))) {
		return obj{"signature": sig, "status": 403, "type": problem + "invalid-signature", "title": "Invalid Signature",
			"detail": fmt.Sprintf("Signature '%s' is invalid.", sig)}
	}
	text := r.Header.Get("X-Customer")
	if text == "" {
		c.license, c.acct = license, -1
		return nil
	}
	id, err := strconv.ParseInt(text, 10, 64)
	i, advertiser := s.byID[id]
	if err != nil || s.forbid[id] || !k.reaches(id) || !advertiser && id != s.o.OwnerCustomer && !s.isManager(id) {
		return obj{"status": 403, "type": problem + "auth-failed", "title": "Auth Failed",
			"detail": fmt.Sprintf("Auth failed with api-key: %s, customer-id: %s", license, text)}
	}
	c.license, c.customer, c.acct = license, id, -1
	if advertiser {
		c.acct = i
	}
	return nil
}

// accountCall reports whether a request asks which accounts the key reaches.
// Their answers tell what goes into X-Customer everywhere else (fact sheet
// 2.1), so these calls know no customer yet.
func accountCall(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/ad-accounts") || strings.HasPrefix(r.URL.Path, "/manager-accounts")
}

// forbidden is the 403 of one who is known but may not see this resource.
func (c *call) forbidden() {
	c.json(403, obj{"status": 403, "title": "You don't have permission to access on this server (resource)."})
}

// AddLicense adds a second key, or replaces one. It reaches the customers
// named, or all if none is.
func (s *Server) AddLicense(license, secret string, customers ...int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := &key{license: license, secret: secret}
	for _, id := range customers {
		if k.customers == nil {
			k.customers = map[int64]bool{}
		}
		k.customers[id] = true
	}
	s.keys[license] = k
}

// RotateSecret gives a licence a new secret, as Naver did by itself on
// 2026-07-02, and returns it; the old one is dead at once. "" if there is no
// such licence.
func (s *Server) RotateSecret(license string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.keys[license]
	if k == nil {
		return ""
	}
	h := sha256.Sum256([]byte(k.secret + "+1"))
	k.secret = "AQAAAA" + base64.StdEncoding.EncodeToString(h[:])[:40] + "=="
	return k.secret
}

// RevokeLicense makes a licence unknown, as a colleague does who issues a new one.
func (s *Server) RevokeLicense(license string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.keys[license]; k != nil {
		k.revoked = true
	}
}

// Forbid takes from every key the right on a customer (on), or gives it back.
func (s *Server) Forbid(customer int64, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if on {
		s.forbid[customer] = true
	} else {
		delete(s.forbid, customer)
	}
}

// SetSkew moves the server's clock against Options.Now, in its Date header and
// in its judgement of timestamps.
func (s *Server) SetSkew(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.skew = d
}

// admit passes a request through gateway, maintenance, auth and limits. False
// means it is answered.
func (s *Server) admit(w http.ResponseWriter, r *http.Request) (*call, bool) {
	s.mu.Lock()
	c := &call{s: s, w: w, r: r, now: s.now(), ip: s.clientIP(r), acct: -1}
	op := opOf(r.URL.Path)
	if s.closed {
		s.mu.Unlock()
		c.json(503, obj{"status": 503, "title": "Service Unavailable"})
		return nil, false
	}
	deny := s.authenticate(r, c.now, c)
	who := origin{ip: c.ip, op: op}
	if deny == nil {
		who.license, who.customer = c.license, c.customer
	}
	scope, passed := s.limiter.allow(who, c.now)
	if !passed && s.o.Refused != nil {
		s.o.Refused(scope, r)
	}
	tx := s.nextTx()
	s.mu.Unlock()
	w.Header()[txHeader] = []string{tx}
	if !passed {
		tooMany(c, scope)
		return nil, false
	}
	if deny != nil {
		c.json(403, deny)
		return nil, false
	}
	return c, true
}

// baseURL is how the client reaches this server.
func (c *call) baseURL() string {
	if c.s.o.BaseURL != "" {
		return strings.TrimSuffix(c.s.o.BaseURL, "/")
	}
	if c.r.TLS != nil {
		return "https://" + c.r.Host
	}
	return "http://" + c.r.Host
}
