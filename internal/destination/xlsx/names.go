package xlsx

import (
	"fmt"
	"strings"
	"unicode/utf16"
)

// Limits of Excel on the names of tabs, in UTF-16 units. longName leaves room
// for " (2)" … " (99)".
const (
	maxName  = 31
	longName = 27
)

// tabNames gives out the names of tabs: legal, and each once, for Excel does
// not tell "ad" from "AD".
type tabNames struct{ taken map[string]bool }

func (t *tabNames) take(name string) string { return t.claim(legalName(name)) }

// next is the n-th tab of what begins in the tab called name: "AD (2)".
func (t *tabNames) next(name string, n int) string {
	return t.claim(suffixed(name, fmt.Sprintf(" (%d)", n)))
}

// claim is name, or one like it if it is taken.
func (t *tabNames) claim(name string) string {
	if t.taken == nil {
		t.taken = map[string]bool{"history": true} // Excel keeps it for itself
	}
	try := name
	for n := 2; t.taken[strings.ToLower(try)]; n++ {
		try = suffixed(name, fmt.Sprintf(" ~%d", n))
	}
	t.taken[strings.ToLower(try)] = true
	return try
}

// legalName is name without what Excel forbids in tab names. A long name is
// first shortened where reports have a long word.
func legalName(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune(`[]:*?/\`, r):
			return '_'
		case r < ' ' || r == 0xFFFE || r == 0xFFFF || r == 0xFFFD:
			return -1
		}
		return r
	}, strings.ToValidUTF8(name, ""))
	name = strings.TrimSpace(strings.Trim(name, "' "))
	if units(name) > longName {
		name = strings.ReplaceAll(name, "CONVERSION", "CONV")
	}
	name = strings.TrimRight(short(name, longName), "' ")
	if name == "" {
		return "_"
	}
	return name
}

func suffixed(name, suffix string) string { return short(name, maxName-units(suffix)) + suffix }

func units(s string) int { return len(utf16.Encode([]rune(s))) }

// short is s, cut to at most n UTF-16 units.
func short(s string, n int) string {
	at := 0
	for i, r := range s {
		if at += utf16.RuneLen(r); at > n {
			return s[:i]
		}
	}
	return s
}

// quoted is a tab's name as formulas have it.
func quoted(name string) string { return "'" + strings.ReplaceAll(name, "'", "''") + "'" }
