// Package orders measures the way of an order into the house: webhooks over
// real connections, with synced commits, beside plain inserts; permutations of
// events; files of a million rows beside the fastest way of the database to
// load the same rows.
package orders

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"imreport/internal/db"
	"imreport/internal/jobs"
	"imreport/internal/order"
	"imreport/internal/seal"
	"imreport/internal/shop"
	"imreport/internal/shopify"
)

// Options of the benchmark.
type Options struct {
	Orders      int    // of the webhook part; 0 means 10,000
	Copies      int    // of each webhook; 0 means 3
	Connections int    // 0 means 64
	Rows        int    // of the file; 0 means 1,000,000
	PostgresURL string // empty leaves PostgreSQL out
	Mails       int    // messages of the mail part; 0 means 2,000
	Kills       int    // of the sending process; 0 means 200
	List        int    // messages of the list part; 0 means 1,000,000
	Seed        uint64 // of when the process is killed
	// Part is "", "permutations", "webhooks", "csv", "mail" or "list".
	Part string
}

// Result is what one database showed.
type Result struct {
	Database     string        `json:"database"`
	Permutations *Permutations `json:"permutations,omitempty"`
	Webhooks     *Webhooks     `json:"webhooks,omitempty"`
	CSV          *CSV          `json:"csv,omitempty"`
	Mail         *Mail         `json:"mail,omitempty"`
	List         *List         `json:"list,omitempty"`
}

// Run measures on SQLite and, when an address is given, on PostgreSQL, and
// prints a table.
func Run(ctx context.Context, o Options, out io.Writer) ([]Result, error) {
	o.Orders, o.Copies, o.Connections, o.Rows = cmp.Or(o.Orders, 10_000), cmp.Or(o.Copies, 3), cmp.Or(o.Connections, 64), cmp.Or(o.Rows, 1_000_000)
	o.Mails, o.Kills, o.List = cmp.Or(o.Mails, 2000), cmp.Or(o.Kills, 200), cmp.Or(o.List, 1_000_000)
	var all []Result
	for _, postgres := range []bool{false, true} {
		if postgres && o.PostgresURL == "" {
			continue
		}
		r, err := measure(ctx, o, postgres, out)
		if err != nil {
			return all, err
		}
		all = append(all, r)
	}
	return all, nil
}

func measure(ctx context.Context, o Options, postgres bool, out io.Writer) (r Result, err error) {
	r.Database = "sqlite"
	if postgres {
		r.Database = "postgres"
	}
	parts := []struct {
		name string
		run  func(*house) error
	}{
		{"permutations", func(h *house) (err error) { r.Permutations, err = h.permutations(ctx); return err }},
		{"webhooks", func(h *house) (err error) { r.Webhooks, err = h.webhooks(ctx, o); return err }},
		{"csv", func(h *house) (err error) { r.CSV, err = h.csv(ctx, o); return err }},
		{"mail", func(h *house) (err error) { r.Mail, err = h.mails(ctx, o); return err }},
		{"list", func(h *house) (err error) { r.List, err = h.list(ctx, o); return err }},
	}
	for _, p := range parts {
		if o.Part != "" && o.Part != p.name {
			continue
		}
		h, err := open(ctx, o, postgres)
		if err != nil {
			return r, fmt.Errorf("%s: %w", r.Database, err)
		}
		err = p.run(h)
		if err = errors.Join(err, h.close()); err != nil {
			return r, fmt.Errorf("%s %s: %w", r.Database, p.name, err)
		}
	}
	r.print(out)
	return r, nil
}

func (r Result) print(out io.Writer) {
	if p := r.Permutations; p != nil {
		fmt.Fprintf(out, "%-9s %d sequences of five events, two pairs in one second, with repeats: %d wrong\n", r.Database, p.Sequences, p.Wrong)
	}
	if w := r.Webhooks; w != nil {
		fmt.Fprintf(out, "%-9s %d webhooks of %d orders, %d connections: %.0f/s, p50 %s, p99 %s; %d wrong, %d twins\n", r.Database,
			w.Webhooks, w.Orders, w.Connections, w.PerSecond, ms(w.P50), ms(w.P99), w.Wrong, w.Twins)
		fmt.Fprintf(out, "%-9s plain synced one-row inserts, same clients: %.0f/s; webhooks are %.0f %% of that\n", r.Database, w.PlainPerSecond, 100*w.PerSecond/w.PlainPerSecond)
	}
	if c := r.CSV; c != nil {
		fmt.Fprintf(out, "%-9s CSV, %d rows, %d orders: %.0f rows/s (%.1f s); again: %.0f rows/s, %d differences; memory %d MB\n", r.Database,
			c.Rows, c.Orders, c.RowsPerSecond, c.Seconds, c.AgainPerSecond, c.Differences, c.PeakBytes>>20)
		fmt.Fprintf(out, "%-9s preview: %.0f rows/s; floor (%s): %.0f rows/s\n", r.Database, c.PreviewPerSecond, c.FloorBy, c.FloorPerSecond)
	}
	r.printMail(out)
}

func (r Result) printMail(out io.Writer) {
	if m := r.Mail; m != nil {
		fmt.Fprintf(out, "%-9s %d messages, %d kill -9: %d mails, %d doubled (95 %% bound: %.2g per message); %d sent, %d unknown (at most %d per kill of %d connections), %d lost\n",
			r.Database, m.Messages, m.Kills, m.Mails, m.Doubled, m.UpperBound, m.Sent, m.Unknown, m.MostUnknown, m.Connections, m.Lost)
	}
	if l := r.List; l != nil {
		for _, p := range l.Pages {
			fmt.Fprintf(out, "%-9s list of %d messages, %s: %s (worst of %d)\n", r.Database, l.Messages, p.What, ms(p.Worst), p.Times)
		}
	}
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/1e6) }

// secret signs the webhooks.
const secret = "bench-secret"

// house is a shop on a fresh database.
type house struct {
	d       *db.DB
	shops   *shop.Service
	orders  *order.Service
	hooks   *shopify.Service
	shop    shop.Shop
	code    string
	dir     string
	options db.Options
	undo    []func()
}

func (h *house) close() error {
	err := h.d.Close()
	for _, fn := range h.undo {
		fn()
	}
	return err
}

func open(ctx context.Context, o Options, postgres bool) (h *house, err error) {
	h = &house{}
	defer func() {
		if err != nil {
			for _, fn := range h.undo {
				fn()
			}
		}
	}()
	if h.dir, err = os.MkdirTemp("", "imreport-bench-orders-"); err != nil {
		return h, err
	}
	h.undo = append(h.undo, func() { _ = os.RemoveAll(h.dir) })
	dbo := db.Options{Dir: filepath.Join(h.dir, "db")}
	if postgres {
		url, drop, err := freshDatabase(ctx, o.PostgresURL)
		if err != nil {
			return h, err
		}
		h.undo = append(h.undo, drop)
		dbo = db.Options{URL: url}
	}
	h.options = dbo
	if h.d, err = db.Open(ctx, dbo); err != nil {
		return h, err
	}
	if err = errors.Join(jobs.Migrate(ctx, h.d), h.d.Migrate(ctx)); err != nil {
		return h, err
	}
	box, err := seal.New(bytes.Repeat([]byte{1}, seal.KeySize))
	if err != nil {
		return h, err
	}
	if _, err = h.d.Exec(ctx, `INSERT INTO workspace (id, name, zone, lang, created_us) VALUES ('bench', 'B', 'Asia/Seoul', 'ko', 1)`); err != nil {
		return h, err
	}
	h.shops = shop.New(h.d, box, shop.Options{})
	name, key := "bench", secret
	if h.shop, h.code, err = h.shops.Create(ctx, "bench", shop.Input{Name: &name, WebhookSecret: &key}); err != nil {
		return h, err
	}
	h.orders = order.New(h.d, h.shops, box, order.Options{Dir: h.dir, Process: "bench"})
	h.hooks = shopify.New(h.d, h.shops, h.orders, shopify.Options{})
	return h, nil
}

// freshDatabase makes a database beside the one that url names.
func freshDatabase(ctx context.Context, url string) (fresh string, drop func(), err error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return "", nil, err
	}
	c, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return "", nil, err
	}
	name := fmt.Sprintf("imreport_bench_%d", time.Now().UnixNano())
	if _, err := c.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		return "", nil, err
	}
	drop = func() {
		_, _ = c.Exec(context.WithoutCancel(ctx), "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
		_ = c.Close(context.WithoutCancel(ctx))
	}
	return fmt.Sprintf("postgres://%s:%s@%s:%d/%s?sslmode=disable", cfg.User, cfg.Password, cfg.Host, cfg.Port, name), drop, nil
}
