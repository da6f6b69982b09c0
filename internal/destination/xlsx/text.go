package xlsx

import (
	"strings"
	"unicode/utf8"
)

// maxText is how many UTF-16 units a cell may hold (Excel's limit).
const maxText = 32767

// plain says of each byte whether it stands in XML as it is. Bytes from 0x80
// up are, when the text is valid UTF-8 without U+FFFE and U+FFFF; 0xEF, with
// which those begin, is looked at.
var plain = func() (t [256]bool) {
	for i := 0x20; i < 256; i++ {
		t[i] = true
	}
	for _, c := range []byte("&<>_\"\xef") {
		t[c] = false
	}
	t['\n'], t['\t'] = true, true
	return t
}()

// appendText appends s as the content of an element or attribute. What XML
// cannot hold is written as _xHHHH_ (ECMA-376 part 1, 22.9.2.19), and text
// that looks like that is kept from being read so.
func appendText(b []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if plain[c] {
			continue
		}
		var with string
		size := 1
		switch {
		case c == '&':
			with = "&amp;"
		case c == '<':
			with = "&lt;"
		case c == '>':
			with = "&gt;"
		case c == '"':
			with = "&quot;"
		case c == '_':
			if !escaped(s[i:]) {
				continue
			}
			with = "_x005F_"
		case c == 0xEF:
			size = 3
			switch s[i : i+3] {
			case "\uFFFE":
				with = "_xFFFE_"
			case "\uFFFF":
				with = "_xFFFF_"
			default:
				i += 2
				continue
			}
		default:
			const hex = "0123456789ABCDEF"
			with = "_x00" + string([]byte{hex[c>>4], hex[c&15]}) + "_"
		}
		b = append(append(b, s[from:i]...), with...)
		i += size - 1
		from = i + 1
	}
	return append(b, s[from:]...)
}

// escaped reports whether s begins like an escape: _xHHHH_.
func escaped(s string) bool {
	if len(s) < 7 || s[1] != 'x' && s[1] != 'X' || s[6] != '_' {
		return false
	}
	for _, c := range []byte(s[2:6]) {
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F') {
			return false
		}
	}
	return true
}

// appendT appends s as a <t> element.
func appendT(b []byte, s string) []byte {
	if spaced(s) {
		b = append(b, `<t xml:space="preserve">`...)
	} else {
		b = append(b, `<t>`...)
	}
	return append(appendText(b, s), `</t>`...)
}

// spaced reports whether s begins or ends with a space, which readers drop
// unless told not to.
func spaced(s string) bool {
	return s != "" && (s[0] <= ' ' || s[len(s)-1] <= ' ')
}

// fit is s, cut to what a cell may hold; cut says whether it was.
func fit(s string) (_ string, cut bool) {
	if len(s) <= maxText {
		return s, false
	}
	units, keep := 0, 0
	for i, r := range s {
		n := 1
		if r > 0xFFFF {
			n = 2
		}
		units += n
		if units > maxText {
			return s[:keep] + "…", true
		}
		if units < maxText { // room for the mark
			keep = i + utf8.RuneLen(r)
			if r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD") {
				keep = i + 1 // a byte that is no UTF-8
			}
		}
	}
	return s, false
}

// formulaLike reports whether a person who enters s again would get a formula.
func formulaLike(s string) bool {
	switch s[0] {
	case '=', '+', '-', '@':
		return true
	}
	return false
}

// textWidth is about how many digits wide s is; Korean letters are two.
func textWidth(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r >= 0x1100 {
			n++
		}
	}
	return n
}
