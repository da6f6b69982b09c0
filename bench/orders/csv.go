package orders

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"imreport/internal/db"
	"imreport/internal/order"
	"imreport/internal/shopify"
)

func newDelivery(h http.Header, body []byte) shopify.Delivery { return shopify.NewDelivery(h, body) }

// CSV is what a large file took.
type CSV struct {
	Rows             int     `json:"rows"`
	Orders           int64   `json:"orders"`
	Bytes            int64   `json:"bytes"`
	Seconds          float64 `json:"seconds"`
	RowsPerSecond    float64 `json:"rows_per_s"`
	PreviewPerSecond float64 `json:"preview_rows_per_s"`
	AgainPerSecond   float64 `json:"again_rows_per_s"`
	Differences      int64   `json:"differences_on_reimport"`
	PeakBytes        uint64  `json:"peak_memory_bytes"`
	FloorBy          string  `json:"floor_by"`
	FloorPerSecond   float64 `json:"floor_rows_per_s"`
}

// write makes a file of the eleven columns: two orders of one line to one of
// two lines, as small shops have them.
func write(name string, rows int) (orders int64, size int64, err error) {
	f, err := os.Create(name)
	if err != nil {
		return 0, 0, err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	fmt.Fprintln(w, strings.Join(order.Canonical, ","))
	at := time.Date(2025, 1, 1, 9, 0, 0, 0, time.FixedZone("KST", 9*3600))
	for n := 0; n < rows; {
		lines := 1 + int(orders%3)/2
		at = at.Add(37 * time.Second)
		for k := 0; k < lines && n < rows; k++ {
			fmt.Fprintf(w, "%d,#%d,%s,paid,%s,구매자%d,customer%d@example.com,SKU-%04d,상품 이름 %d,%d,%s\n", 5_550_000_000_000+orders, 100_000+orders,
				at.Format("2006-01-02 15:04:05 -0700"), at.Add(48*time.Hour).Format("2006-01-02 15:04:05 -0700"), orders%5000, orders/2, (orders+int64(k))%2000,
				(orders+int64(k))%2000, 1+k, []string{"yes", "no"}[orders%2])
			n++
		}
		orders++
	}
	if err := w.Flush(); err != nil {
		return 0, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return 0, 0, err
	}
	return orders, info.Size(), f.Close()
}

func (h *house) csv(ctx context.Context, o Options) (*CSV, error) {
	c := &CSV{Rows: o.Rows}
	name := filepath.Join(h.dir, "orders.csv")
	var err error
	if c.Orders, c.Bytes, err = write(name, o.Rows); err != nil {
		return nil, err
	}
	runtime.GC()
	peak := watchMemory()
	dry, secs, err := h.load(ctx, name, true)
	if err != nil {
		return nil, err
	}
	c.PreviewPerSecond = float64(o.Rows) / secs
	first, secs, err := h.load(ctx, name, false)
	if err != nil {
		return nil, err
	}
	c.Seconds, c.RowsPerSecond = secs, float64(o.Rows)/secs
	again, secs, err := h.load(ctx, name, false)
	if err != nil {
		return nil, err
	}
	c.AgainPerSecond = float64(o.Rows) / secs
	c.PeakBytes = peak()
	c.Differences = again.Orders.New + again.Orders.Updated + again.RowsRefused
	if first.Orders.New != c.Orders || first.RowsRefused != 0 || dry.Orders.New != c.Orders || again.Orders.Unchanged != c.Orders {
		return nil, fmt.Errorf("%d orders: preview %+v, import %+v, again %+v", c.Orders, dry.Orders, first.Orders, again.Orders)
	}
	return c, h.floor(ctx, o, c)
}

// load uploads the file and works on it to its end.
func (h *house) load(ctx context.Context, name string, dry bool) (order.Report, float64, error) {
	f, err := os.Open(name)
	if err != nil {
		return order.Report{}, 0, err
	}
	defer func() { _ = f.Close() }()
	began := time.Now()
	i, err := h.orders.Upload(ctx, h.shop.ID, f, order.UploadOptions{DryRun: dry})
	if err != nil {
		return order.Report{}, 0, err
	}
	if _, err := h.orders.RunNext(ctx); err != nil {
		return order.Report{}, 0, err
	}
	took := time.Since(began).Seconds()
	if i, err = h.orders.Import(ctx, h.shop.ID, i.ID); err != nil {
		return order.Report{}, 0, err
	}
	return i.Report, took, i.Err()
}

// floor loads the same rows as the database does it fastest, into a table
// without an index but its key.
func (h *house) floor(ctx context.Context, o Options, c *CSV) error {
	_, err := h.d.Exec(ctx, `CREATE TABLE bench_rows (n BIGINT PRIMARY KEY, order_id TEXT, order_name TEXT, ordered_at TEXT, status TEXT,
		fulfilled_at TEXT, name TEXT, email TEXT, sku TEXT, product TEXT, quantity TEXT, consent TEXT)`)
	if err != nil {
		return err
	}
	f, err := os.Open(filepath.Join(h.dir, "orders.csv"))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	in := bufio.NewScanner(f)
	in.Scan()
	n := int64(0)
	next := func() []any {
		if !in.Scan() {
			return nil
		}
		n++
		row := make([]any, 12)
		row[0] = n
		for i, cell := range bytes.Split(in.Bytes(), []byte{','}) {
			row[i+1] = string(cell)
		}
		return row
	}
	began := time.Now()
	if p := h.d.Pool(); p != nil {
		c.FloorBy = "COPY"
		cols := []string{"n", "order_id", "order_name", "ordered_at", "status", "fulfilled_at", "name", "email", "sku", "product", "quantity", "consent"}
		_, err = p.CopyFrom(ctx, pgx.Identifier{"bench_rows"}, cols, pgx.CopyFromFunc(func() ([]any, error) { return next(), nil }))
	} else {
		c.FloorBy = "INSERT of 500 rows, one transaction for 10,000"
		for more := true; more && err == nil; {
			err = h.d.InTx(ctx, func(tx *db.Tx) error {
				for range 20 {
					args := make([]any, 0, 6000)
					for range 500 {
						row := next()
						if row == nil {
							more = false
							break
						}
						args = append(args, row...)
					}
					if len(args) == 0 {
						return nil
					}
					one := ",(?" + strings.Repeat(",?", 11) + ")" // without names, see db.Bind
					if _, err := tx.Exec(ctx, `INSERT INTO bench_rows VALUES `+strings.Repeat(one, len(args)/12)[1:], args...); err != nil {
						return err
					}
				}
				return nil
			})
		}
	}
	c.FloorPerSecond = float64(o.Rows) / time.Since(began).Seconds()
	if err == nil && n != int64(o.Rows) {
		err = fmt.Errorf("the floor loaded %d rows", n)
	}
	return err
}

// watchMemory samples what the Go program holds from the system, every 20 ms;
// the returned function ends it and says the most.
func watchMemory() func() uint64 {
	var most atomic.Uint64
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		var m runtime.MemStats
		for {
			runtime.ReadMemStats(&m)
			if now := m.Sys - m.HeapReleased; now > most.Load() {
				most.Store(now)
			}
			select {
			case <-quit:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return func() uint64 { close(quit); <-done; return most.Load() }
}
