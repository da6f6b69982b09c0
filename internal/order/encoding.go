package order

import (
	"bufio"
	"bytes"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"imreport/internal/errs"
)

// The encodings of text files. CP949 is what Korean Excel writes; x/text's
// EUCKR is all of it (measured, docs/orders.md).
const (
	encUTF8    = "utf-8"
	encCP949   = "cp949"
	encUTF16LE = "utf-16le"
	encUTF16BE = "utf-16be"
)

var decoders = map[string]encoding.Encoding{
	encUTF8:    unicode.UTF8BOM,
	encCP949:   korean.EUCKR,
	encUTF16LE: unicode.UTF16(unicode.LittleEndian, unicode.UseBOM),
	encUTF16BE: unicode.UTF16(unicode.BigEndian, unicode.UseBOM),
}

// badShare is how much of a file may be undecodable before its encoding is
// taken for another one.
const badShare = 0.001

// detectEncoding finds out how a text file is encoded, from a mark at its
// begin, or from the whole of it: one short cell of CP949 may be valid UTF-8
// by accident. The error order.encoding_unknown asks a person.
func detectEncoding(r io.ReadSeeker) (string, error) {
	head := make([]byte, 4096)
	n, err := io.ReadFull(r, head)
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		return "", err
	}
	head = head[:n]
	switch {
	case bytes.HasPrefix(head, []byte{0xef, 0xbb, 0xbf}):
		return encUTF8, nil
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}):
		return encUTF16LE, nil
	case bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		return encUTF16BE, nil
	}
	if enc := unmarked16(head); enc != "" {
		return enc, nil
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	if ok, err := validUTF8(r); ok || err != nil {
		return encUTF8, err
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	if ok, err := validCP949(r); ok || err != nil {
		return encCP949, err
	}
	return "", errs.E(errs.Invalid, "order.encoding_unknown", nil)
}

// unmarked16 recognises UTF-16 without a mark by the zero half of its ASCII
// characters.
func unmarked16(head []byte) string {
	var zero [2]int
	for i, b := range head {
		if b == 0 {
			zero[i%2]++
		}
	}
	switch {
	case zero[1] > len(head)/8 && zero[0] < zero[1]/8:
		return encUTF16LE
	case zero[0] > len(head)/8 && zero[1] < zero[0]/8:
		return encUTF16BE
	}
	return ""
}

func validUTF8(r io.Reader) (bool, error) {
	buf := make([]byte, 0, 64<<10)
	for {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		// A character may continue in the next piece: keep its begin.
		end := len(buf)
		for back := 1; back <= min(utf8.UTFMax, len(buf)) && err == nil; back++ {
			if utf8.RuneStart(buf[len(buf)-back]) {
				if !utf8.FullRune(buf[len(buf)-back:]) {
					end = len(buf) - back
				}
				break
			}
		}
		if !utf8.Valid(buf[:end]) {
			return false, nil
		}
		buf = buf[:copy(buf, buf[end:])]
		if err == io.EOF {
			return len(buf) == 0 || utf8.Valid(buf), nil
		}
		if err != nil {
			return false, err
		}
	}
}

// validCP949 reports whether r reads well as CP949 and shows Hangul. The
// decoder never fails: what is wrong becomes U+FFFD.
func validCP949(r io.Reader) (bool, error) {
	in := bufio.NewReaderSize(transform.NewReader(r, korean.EUCKR.NewDecoder()), 64<<10)
	bad, all, syllables := 0, 0, 0
	for {
		c, _, err := in.ReadRune()
		if err == io.EOF {
			return syllables > 0 && float64(bad) < badShare*float64(all), nil
		}
		if err != nil {
			return false, err
		}
		all++
		switch {
		case c == utf8.RuneError:
			bad++
		case c >= '가' && c <= '힣':
			syllables++
		}
	}
}

// decoded is r as UTF-8, without a mark at its begin, and with line feeds
// where an old Mac wrote only carriage returns.
func decoded(r io.Reader, enc string) io.Reader {
	if d, ok := decoders[enc]; ok {
		r = transform.NewReader(r, unicode.BOMOverride(d.NewDecoder()))
	}
	b := bufio.NewReaderSize(r, 64<<10)
	if head, _ := b.Peek(32 << 10); bytes.IndexByte(head, '\r') >= 0 && bytes.IndexByte(head, '\n') < 0 {
		return transform.NewReader(b, crOnly{})
	}
	return b
}

// crOnly turns CR into LF.
type crOnly struct{ transform.NopResetter }

// Transform does it.
func (crOnly) Transform(dst, src []byte, _ bool) (nDst, nSrc int, err error) {
	n := copy(dst, src)
	for i, c := range dst[:n] {
		if c == '\r' {
			dst[i] = '\n'
		}
	}
	if n < len(src) {
		err = transform.ErrShortDst
	}
	return n, n, err
}
