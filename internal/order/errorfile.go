package order

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"imreport/internal/i18n"
)

// saveErrors writes refused rows behind the first at bytes of the error file,
// and returns how many bytes they took. They are in force when the checkpoint
// that counts them is committed.
func (r *running) saveErrors(at int64, wrong []RowError) (int64, error) {
	if len(wrong) == 0 {
		return 0, nil
	}
	var b bytes.Buffer
	for _, w := range wrong {
		b.Write(asJSON(w))
		b.WriteByte('\n')
	}
	n, err := r.out.WriteAt(b.Bytes(), at)
	if err != nil {
		return 0, fmt.Errorf("error file: %w", err)
	}
	return int64(n), nil
}

// ErrorFile writes the refused rows of an import as CSV, in a language, with a
// mark that makes Excel read it as UTF-8. Addresses in it are masked.
func (s *Service) ErrorFile(ctx context.Context, shopID, id string, l i18n.Lang, w io.Writer) error {
	i, err := s.Import(ctx, shopID, id)
	if err != nil {
		return err
	}
	out := csv.NewWriter(w)
	if _, err := io.WriteString(w, "\ufeff"); err != nil {
		return err
	}
	head := []string{"line", "column", "code", "message"}
	for k := range head {
		head[k] = i18n.T(l, "order.errors."+head[k])
	}
	if err := out.Write(head); err != nil {
		return err
	}
	f, err := os.Open(s.errorsOf(i.ID))
	if errors.Is(err, os.ErrNotExist) {
		out.Flush()
		return out.Error()
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(io.LimitReader(f, i.errors))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e RowError
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return fmt.Errorf("error file of import %s: %w", id, err)
		}
		e = e.In(l)
		if err := out.Write([]string{strconv.FormatInt(e.Line, 10), unformula(e.Column), e.Code, unformula(e.Message)}); err != nil {
			return err
		}
	}
	out.Flush()
	return errors.Join(lines.Err(), out.Error())
}

// unformula keeps a spreadsheet from taking a text for a formula.
func unformula(s string) string {
	if s != "" && bytes.IndexByte([]byte("=+-@\t\r"), s[0]) >= 0 {
		return "'" + s
	}
	return s
}
