package review

import (
	"encoding/base64"
	"strings"
)

// hash is the keyed hash of an address: it finds a person again and tells
// nobody who it is.
func (s *Service) hash(address string) string {
	if address = normal(address); address == "" {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(s.box.MAC("mail address", address)[:18])
}

// normal is an address as it is compared: trimmed, in lower case. Tags and
// dots before the @ are not touched: they may be different people.
func normal(address string) string { return strings.ToLower(strings.TrimSpace(address)) }

// Mask hides most of an address: j***@example.com.
func Mask(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 1 {
		if address == "" {
			return ""
		}
		return "***"
	}
	first := []rune(address[:at])[0]
	return string(first) + "***" + address[at:]
}

// find is an order's name as people type it.
func find(name string) string {
	return strings.ToLower(strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(name), "#")))
}
