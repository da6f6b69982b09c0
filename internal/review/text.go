package review

import (
	"regexp"
	"strings"
)

// clean is s as both databases take it.
func clean(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "")
}

var addresses = regexp.MustCompile(`[^\s<>()\[\]@"',;:]+@[^\s<>()\[\]@"',;:]+`)

// hushed is s, clean and with every address in it masked: servers and reports
// quote people, and logs are kept.
func hushed(s string) string { return addresses.ReplaceAllStringFunc(clean(s), Mask) }
