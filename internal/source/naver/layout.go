package naver

import (
	"bytes"
	"slices"
	"strconv"
)

// layout is the columns of a file, in order, at most one of them a free text.
type layout struct {
	fields []field
	fixed  [][]byte // scratch
}

// align finds the known columns in a line with k fields too many: they stand
// at the end (columns that Naver has added), or are parts of a text with tabs
// in it, or, if neither fits, one block of columns was inserted somewhere. The
// fields right of the text have forms by which this can be told. It returns
// the fields in their columns, those at the end after them, and how many
// those are. prefer breaks ties; -1: the fewest parts in a text.
func (l *layout) align(split [][]byte, k, prefer int) (values [][]byte, appended int, ok bool) {
	n := len(l.fields)
	textAt := slices.IndexFunc(l.fields, func(f field) bool { return f.form == formText })
	fits := 0
	for j := 0; j <= k; j++ { // j tabs inside of the text
		if j > 0 && textAt < 0 {
			break
		}
		if !l.matches(split, textAt, j) {
			continue
		}
		fits++
		if fits == 1 || k-j == prefer {
			appended = k - j
		}
	}
	if fits > 0 {
		return l.join(split, textAt, k-appended), appended, true
	}
	at := -1
	for i := n - 1; i > 0; i-- {
		if l.matches(split, i-1, k) {
			if at >= 0 {
				return nil, 0, false // several places fit: rather none
			}
			at = i
		}
	}
	if at < 0 {
		return nil, 0, false
	}
	l.fixed = append(append(append(l.fixed[:0], split[:at]...), split[at+k:]...), split[at:at+k]...)
	return l.fixed, k, true
}

// matches reports whether the fields have their columns' forms when the
// columns after the one at last stand j fields further right.
func (l *layout) matches(split [][]byte, last, j int) bool {
	for i, f := range l.fields {
		at := i
		if last >= 0 && i > last {
			at += j
		}
		if at >= len(split) || !strictly(f.form, split[at]) {
			return false
		}
	}
	return true
}

// join puts the j fields after the text's into it.
func (l *layout) join(split [][]byte, textAt, j int) [][]byte {
	if j == 0 {
		return split
	}
	l.fixed = append(l.fixed[:0], split[:textAt]...)
	l.fixed = append(l.fixed, bytes.Join(split[textAt:textAt+j+1], []byte{'\t'}))
	l.fixed = append(l.fixed, split[textAt+j+1:]...)
	return l.fixed
}

// strictly reports whether b has the form that is usual for the column.
func strictly(f form, b []byte) bool {
	none := len(b) == 1 && b[0] == '-'
	switch f {
	case formDate:
		return len(b) == 8 && digits(b)
	case formCustomer:
		return digits(b)
	case formCampaign:
		return none || bytes.HasPrefix(b, []byte("cmp-"))
	case formGroup:
		return none || bytes.HasPrefix(b, []byte("grp-"))
	case formKeyword:
		return none || bytes.HasPrefix(b, []byte("nkw-"))
	case formAd:
		return none || bytes.HasPrefix(b, []byte("nad-"))
	case formChannel:
		return none || bytes.HasPrefix(b, []byte("bsn-"))
	case formHour:
		return none || len(b) == 2 && digits(b) && string(b) < "24"
	case formRegion:
		return none || len(b) == 2
	case formCode:
		return none || digits(b)
	case formDevice:
		return len(b) == 1 && (b[0] == 'P' || b[0] == 'M' || b[0] == '-')
	case formType:
		return len(b) > 0 && len(b) <= 40 && bytes.IndexByte(b, ' ') < 0
	case formInt:
		_, ok := integer(b)
		return none || ok
	case formCost:
		_, err := strconv.ParseFloat(string(b), 64)
		return none || err == nil
	case formFlag:
		return len(b) <= 10 && bytes.IndexByte(b, ' ') < 0
	case formTime:
		return len(b) == 0 || len(b) >= 10 && digits(b[:4]) && b[4] == '-'
	case formOptional:
		return len(b) == 0 || bytes.HasPrefix(b, []byte("bsn-"))
	case formID:
		for _, c := range b {
			if c != '-' && c != '_' && c != '~' && !('0' <= c && c <= '9') && !('a' <= c|0x20 && c|0x20 <= 'z') {
				return false
			}
		}
		return len(b) > 0
	}
	return true
}

func digits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(b) > 0
}

func integer(b []byte) (int64, bool) {
	n, err := strconv.ParseInt(string(b), 10, 64)
	return n, err == nil
}
