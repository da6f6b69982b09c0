package account

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"imreport/internal/errs"
)

// Limits of what people type or paste.
const (
	nameMax     = 100 // characters
	licenseMax  = 200 // bytes; Naver's have 74
	secretMax   = 400 // bytes; Naver's have 48
	customerMax = 18  // digits; Naver's have up to 10
	headRoomMax = 90  // percent
)

// blanks look like nothing, though Unicode counts them as letters or symbols.
var blanks = []rune{'\u115F', '\u1160', '\u3164', '\uFFA0', '\u2800', '\u034F'}

// clean removes what a paste from a console, a mail or a spreadsheet brings
// along unseen: spaces of every width, control and format characters, fillers.
// Full-width forms become plain ones.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), unicode.In(r, unicode.C, unicode.Z, unicode.Variation_Selector), slices.Contains(blanks, r):
			return -1
		case r >= '\uFF01' && r <= '\uFF5E':
			return r - '\uFF01' + '!'
		}
		return r
	}, s)
}

// CleanCustomer is the customer id in what somebody pasted: what stands before
// and after it ("CID: 123") and separators within it go. It is empty when
// anything else stands between the digits: 1234567.0 would become another
// advertiser's id.
func CleanCustomer(s string) string {
	notDigit := func(r rune) bool { return r < '0' || r > '9' }
	s = strings.NewReplacer("-", "", ",", "").Replace(strings.TrimFunc(clean(s), notDigit))
	if strings.ContainsFunc(s, notDigit) {
		return ""
	}
	return s
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func checkName(name string) (string, []errs.Field) {
	name = strings.TrimSpace(name)
	switch {
	case name == "":
		return name, field("name", "account.name.required")
	case !utf8.ValidString(name) || utf8.RuneCountInString(name) > nameMax:
		return name, field("name", "account.name.too_long", nameMax)
	}
	return name, nil
}

func checkLicense(raw string) (string, []errs.Field) {
	v := clean(raw)
	switch {
	case v == "":
		return v, field("license", "account.license.required")
	case len(v) > licenseMax || !printable(v):
		return v, field("license", "account.license.malformed")
	case looksLikeSecret(v):
		return v, field("license", "account.license.is_secret")
	}
	return v, nil
}

func checkSecret(raw string) (string, []errs.Field) {
	v := clean(raw)
	switch {
	case v == "":
		return v, field("secret", "account.secret.required")
	case len(v) > secretMax || !printable(v):
		return v, field("secret", "account.secret.malformed")
	case looksLikeLicense(v):
		return v, field("secret", "account.secret.is_license")
	}
	return v, nil
}

// looksLikeLicense knows Naver's access licence: 74 lower-case hex characters
// that start 0100000000 (Naver's help pages; docs/naver.md).
func looksLikeLicense(s string) bool {
	return len(s) == 74 && strings.HasPrefix(s, "0100000000") && strings.Trim(s, "0123456789abcdef") == ""
}

// looksLikeSecret knows Naver's secret: base64 that starts AQAAAA.
func looksLikeSecret(s string) bool { return len(s) == 48 && strings.HasPrefix(s, "AQAAAA") }

func checkCustomer(name, raw string) (string, []errs.Field) {
	v := CleanCustomer(raw)
	switch {
	case v == "" && strings.TrimSpace(raw) == "":
		return v, field(name, "account.customer.required")
	case v == "" || len(v) > customerMax:
		return v, field(name, "account.customer.malformed")
	}
	return v, nil
}

func checkHeadRoom(percent int) []errs.Field {
	if percent < 0 || percent > headRoomMax {
		return field("head_room_percent", "account.head_room.out_of_range", headRoomMax)
	}
	return nil
}

func field(name, key string, args ...any) []errs.Field {
	return []errs.Field{{Name: name, Key: key, Args: args}}
}
