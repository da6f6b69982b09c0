package xlsx

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/klauspost/compress/flate"
	"github.com/xuri/excelize/v2"

	"imreport/internal/destination/xlsx"
	"imreport/internal/i18n"
	"imreport/internal/run"
	"imreport/internal/table"
)

// writers are those in Go. Each returns its version.
var writers = map[string]func(ctx context.Context, n int, path string) (string, error){
	"imreport": ours, "csv": plainCSV, "excelize": withExcelize,
}

// ours is the whole destination as a run uses it, summary and info tab
// included.
func ours(ctx context.Context, n int, path string) (string, error) {
	b, err := xlsx.ToFile(path).Create(ctx, run.Work{Title: "bench", Lang: i18n.Korean})
	if err != nil {
		return "", err
	}
	defer b.Abandon()
	tab := run.Tab{Report: "AD", Name: "AD", Schema: schema, Rows: int64(n), Open: func(context.Context) (table.Reader, error) { return newRows(n), nil }}
	if err := b.Insert(ctx, []run.Tab{tab}, nil); err != nil {
		return "", err
	}
	if err := b.Add(ctx, run.Info{From: firstDay, To: firstDay + 364, FilledAt: time.Now()}); err != nil {
		return "", err
	}
	_, err = b.Finish(ctx)
	return "", err
}

// plainCSV is the floor: the same values as CSV through the same compressor.
func plainCSV(_ context.Context, n int, path string) (string, error) {
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	z, err := flate.NewWriter(f, 1)
	if err != nil {
		return "", err
	}
	w := bufio.NewWriterSize(z, 64<<10)
	var line []byte
	for r := newRows(n); ; {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		line = line[:0]
		for i, c := range schema {
			switch c.Kind {
			case table.Text:
				line = append(line, row[i].Str...)
			case table.Int, table.Date:
				line = strconv.AppendInt(line, row[i].Num, 10)
			default:
				line = strconv.AppendFloat(line, row[i].Dec, 'f', -1, 64)
			}
			line = append(line, ',')
		}
		line[len(line)-1] = '\n'
		if _, err := w.Write(line); err != nil {
			return "", err
		}
	}
	return "", errors.Join(w.Flush(), z.Close(), f.Close())
}

func withExcelize(_ context.Context, n int, path string) (string, error) {
	f := excelize.NewFile()
	defer func() { _ = f.Close() }()
	w, err := f.NewStreamWriter("Sheet1")
	if err != nil {
		return "", err
	}
	styles := map[table.Kind]int{}
	for kind, format := range map[table.Kind]int{table.Date: 14, table.Int: 3, table.Money: 3, table.Percent: 10, table.Decimal: 4} {
		if styles[kind], err = f.NewStyle(&excelize.Style{NumFmt: format}); err != nil {
			return "", err
		}
	}
	line := make([]any, len(schema))
	for i, c := range schema {
		line[i] = c.Name
	}
	if err := w.SetRow("A1", line); err != nil {
		return "", err
	}
	r := newRows(n)
	for i := 2; ; i++ {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		for j, c := range schema {
			switch c.Kind {
			case table.Text:
				line[j] = row[j].Str
			case table.Int:
				line[j] = excelize.Cell{StyleID: styles[c.Kind], Value: row[j].Num}
			case table.Date:
				line[j] = excelize.Cell{StyleID: styles[c.Kind], Value: row[j].Num + 25569}
			default:
				line[j] = excelize.Cell{StyleID: styles[c.Kind], Value: row[j].Dec}
			}
		}
		if err := w.SetRow("A"+strconv.Itoa(i), line); err != nil {
			return "", err
		}
	}
	if err := w.Flush(); err != nil {
		return "", err
	}
	return excelizeVersion(), f.SaveAs(path)
}

func excelizeVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "github.com/xuri/excelize/v2" {
				return m.Version
			}
		}
	}
	return ""
}
