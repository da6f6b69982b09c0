package order

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// NormalEmail is the form in which addresses are kept and compared: trimmed,
// the domain in lower case; tags and dots stay (docs/orders.md). What has no "@"
// comes back trimmed.
func NormalEmail(v string) string {
	v = strings.TrimSpace(norm.NFC.String(v))
	i := strings.LastIndexByte(v, '@')
	if i < 0 {
		return v
	}
	return v[:i+1] + strings.ToLower(v[i+1:])
}

// ValidEmail reports whether v looks like an address that mail can be sent to:
// one "@", no spaces or controls, a domain with a dot, within the lengths of
// RFC 5321.
func ValidEmail(v string) bool {
	local, domain, ok := strings.Cut(v, "@")
	if !ok || local == "" || len(local) > 64 || len(v) > 254 || !strings.Contains(domain, ".") {
		return false
	}
	if strings.HasPrefix(local, ".") || strings.HasSuffix(local, ".") || strings.Contains(local, "..") ||
		strings.ContainsAny(v, "\"(),:;<>[\\]") || strings.ContainsFunc(v, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == unicode.ReplacementChar }) {
		return false
	}
	for label := range strings.SplitSeq(domain, ".") {
		if label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") ||
			strings.ContainsFunc(label, func(r rune) bool { return r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			return false
		}
	}
	return true
}

// MaskEmail shows an address to those who may not see it: "j***@example.com".
func MaskEmail(v string) string {
	if v == "" {
		return ""
	}
	local, domain, ok := strings.Cut(v, "@")
	r := []rune(local)
	if len(r) == 0 {
		return "***"
	}
	masked := string(r[:1]) + "***"
	if ok {
		masked += "@" + domain
	}
	return masked
}
