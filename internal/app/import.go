package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"imreport/internal/account"
	"imreport/internal/archive"
	"imreport/internal/config"
	"imreport/internal/db"
	"imreport/internal/destination/xlsx"
	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/internal/quota"
	"imreport/internal/report"
	"imreport/internal/run"
	"imreport/internal/source/naver"
	"imreport/internal/table"
)

// ImportOptions say what one spreadsheet is filled with, without a server.
type ImportOptions struct {
	Customer string // everything but its digits is dropped
	Reports  []string
	From, To table.Day
	Out      string // the xlsx file; replaced in one step when complete
	License  string
	Secret   string
	Lang     i18n.Lang
	// Cache is the folder in which the collected pieces stay, so that a
	// second start takes up where the first one stopped.
	Cache string
	// RetryFor is how long passing faults are tried again.
	RetryFor time.Duration
	// Tell hears what the person should know: "Naver is preparing …".
	Tell func(key string, args ...any)
}

// Import is the filling of one spreadsheet under way.
type Import struct {
	o       ImportOptions
	log     *slog.Logger
	d       *db.DB
	gate    *quota.Gate
	flow    *quota.Flow
	archive *archive.Archive
	source  *naver.Source
	order   run.Order
	began   time.Time

	mu      sync.Mutex
	planned int
	done    int
	had     int // of done, those that were stored before
	writing bool
	written atomic.Int64
	toWrite int64
}

// ImportProgress is how far an Import is.
type ImportProgress struct {
	Pieces, Planned int
	Requests        int64
	Rows            int64 // collected, or written once Writing
	AllRows         int64 // while Writing
	Writing         bool
	// Left is how much longer it should take; 0 while too little is known.
	Left time.Duration
}

// Imported is a finished spreadsheet.
type Imported struct {
	Rows     int64
	Bytes    int64
	Requests int64
	Took     time.Duration
}

// NewImport checks what is asked for and opens the cache; nothing is asked of
// Naver but its time. Fields of its errors are named as the command's flags.
func NewImport(ctx context.Context, c config.Config, o ImportOptions) (*Import, error) {
	if o.Tell == nil {
		o.Tell = func(string, ...any) {}
	}
	customer := account.CleanCustomer(o.Customer)
	if customer == "" {
		return nil, errs.InvalidField("--customer", "account.customer.malformed")
	}
	if err := checkURL("--naver-url", c.NaverURL); err != nil {
		return nil, err
	}
	// Whatever this machine believes, the days are those of Naver's clock.
	skew := o.clock(ctx, c.NaverURL)
	in := report.Input{
		Name: "import", AccountID: customer, Reports: o.Reports, Period: report.Period{From: &o.From, To: &o.To},
		Destination: report.Destination{Type: report.XLSX},
	}
	// What is wrong with the words is told before any folder is made.
	first := report.New(nil, report.Options{Types: naver.Types(), Archived: everything{}})
	if err := first.Check(ctx, "", &in, time.Now().Add(skew)); err != nil {
		return nil, flags(err)
	}
	if err := writable(o.Out); err != nil {
		return nil, err
	}
	im := &Import{o: o, log: c.Logger(), began: time.Now()}
	if err := im.open(ctx, c, customer, in, skew); err != nil {
		im.Close()
		return nil, err
	}
	return im, nil
}

// open opens the cache and what collects into it.
func (im *Import) open(ctx context.Context, c config.Config, customer string, in report.Input, skew time.Duration) (err error) {
	o, dir := im.o, filepath.Join(im.o.Cache, customer)
	if im.d, err = db.Open(ctx, db.Options{Dir: dir}); err != nil {
		if errs.Is(err, "db.data_dir_in_use") {
			return errs.E(errs.Conflict, "cli.import_running", err, customer)
		}
		return err
	}
	if err := migrate(ctx, im.d); err != nil {
		return err
	}
	store, err := archive.NewDir(filepath.Join(dir, "archive"))
	if err != nil {
		return err
	}
	im.archive, im.gate = archive.Open(im.d, store), quota.New(quota.Options{})
	kept := report.New(im.d, report.Options{Types: naver.Types(), Archived: cached{im, customer}})
	if err := kept.Check(ctx, "", &in, time.Now().Add(skew)); err != nil {
		return flags(err)
	}
	im.source, err = naver.New(naver.Options{
		URL: c.NaverURL, Gate: im.gate, DB: im.d, Archive: im.archive, Log: im.log,
		ReportDeadline: c.ReportDeadline, ProbeInterval: c.ProbeInterval,
	})
	if err != nil {
		return err
	}
	im.flow = im.gate.Flow(quota.FlowOptions{ID: "import", Class: quota.Interactive})
	im.order = run.Order{
		RunID: db.NewID(), RawDataID: "import", CustomerID: customer, Reports: in.Reports, From: o.From, To: o.To,
		Credential: account.Credential{ID: "import", Platform: account.NaverSearchAd, License: o.License, Secrets: []string{o.Secret}, Revision: 1},
		Flow:       im.flow, Guard: func(context.Context, *db.Tx) error { return nil },
	}
	return nil
}

// clock tells how far this machine's clock is behind Naver's, when that is
// enough to matter, and tells the person.
func (o ImportOptions) clock(ctx context.Context, url string) time.Duration {
	skew, err := Skew(ctx, url)
	if err != nil || skew.Abs() < skewMatters {
		return 0 // an unreachable Naver is told by the first request
	}
	o.Tell("cli.clock_wrong", round(skew))
	return skew
}

// Close ends the import; what was collected stays in the cache.
func (im *Import) Close() {
	if im.flow != nil {
		im.flow.Close()
	}
	if im.source != nil {
		ctx, stop := context.WithTimeout(context.Background(), keepWithin)
		defer stop()
		_ = im.source.Close(ctx) // the next import learns anew
	}
	if im.d != nil {
		_ = im.d.Close()
	}
}

// Run collects, writes the spreadsheet beside its name and puts it there when
// it is complete. When ctx ends it leaves nothing but the cache.
func (im *Import) Run(ctx context.Context) (r Imported, err error) {
	if err := im.collect(ctx); err != nil {
		return r, err
	}
	tabs, err := im.source.Tabs(ctx, im.order)
	if err != nil {
		return r, err
	}
	im.mu.Lock()
	im.writing = true
	for _, t := range tabs {
		im.toWrite += t.Rows
	}
	im.mu.Unlock()
	info := run.Info{
		Account: im.order.CustomerID, CustomerID: im.order.CustomerID, Platform: account.NaverSearchAd,
		From: im.o.From, To: im.o.To, DataThrough: im.o.To, FilledAt: time.Now().Add(im.source.Skew()),
	}
	book, err := xlsx.ToFile(im.o.Out).Create(ctx, run.Work{Title: im.order.CustomerID, Lang: im.o.Lang})
	if err != nil {
		return r, err
	}
	defer book.Abandon()
	if err := book.Insert(ctx, tabs, func(n int64) { im.written.Add(n) }); err != nil {
		return r, err
	}
	if err := book.Add(ctx, info); err != nil {
		return r, err
	}
	f, err := book.Finish(ctx)
	if err != nil {
		return r, err
	}
	return Imported{Rows: f.Rows, Bytes: f.Bytes, Requests: im.requests(), Took: time.Since(im.began)}, nil
}

// Pauses between two tries of a passing fault.
const (
	importPause    = 5 * time.Second
	importPauseMax = 5 * time.Minute
)

// collect brings every piece into the cache; it waits for what passes.
func (im *Import) collect(ctx context.Context) error {
	pause, since := importPause, time.Time{}
	for {
		before := im.Progress().Pieces
		err := im.source.Collect(ctx, im.order, im)
		var stop *run.Stop
		if err == nil || ctx.Err() != nil || !errors.As(err, &stop) || stop.Do == run.Fail || stop.Reason == run.CodeKeyInvalid {
			return either(context.Cause(ctx), err)
		}
		if im.Progress().Pieces > before {
			pause, since = importPause, time.Time{}
		}
		if since.IsZero() {
			since = time.Now()
		}
		if stop.Do == run.Retry && time.Since(since) >= im.o.RetryFor {
			return err
		}
		until := time.Now().Add(pause)
		if stop.Until.After(until) {
			until = stop.Until
		}
		pause = min(2*pause, importPauseMax)
		im.o.Tell(waiting(stop), until.Format("15:04:05"), sentence(err))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Until(until)):
		}
	}
}

// waiting is the sentence that tells why a Collect is tried again.
func waiting(stop *run.Stop) string {
	if key := "cli.wait." + string(stop.Reason); i18n.Has(key) {
		return key
	}
	return "cli.wait.retrying"
}

// sentence is what is said to people about err.
func sentence(err error) any {
	if e := errs.As(err); e != nil {
		return said{e}
	}
	return err
}

type said struct{ e *errs.Error }

// In is the error's title in l.
func (s said) In(l i18n.Lang) string { return i18n.T(l, s.e.Key, s.e.Args...) }

// Plan hears from the source how many pieces there are.
func (im *Import) Plan(pieces int) {
	im.mu.Lock()
	defer im.mu.Unlock()
	im.planned, im.done, im.had = pieces, 0, -1
}

// Done hears from the source that so many more are stored. What it says first
// was stored before.
func (im *Import) Done(pieces int) {
	im.mu.Lock()
	defer im.mu.Unlock()
	im.done += pieces
	if im.had < 0 {
		im.had = pieces
	}
}

func (im *Import) requests() int64 {
	var n int64
	for _, s := range im.gate.Usage(quota.Scope{Kind: quota.Licence, ID: im.o.License}).Scopes {
		if s.Kind == quota.Licence {
			n += s.Sent
		}
	}
	return n
}

// Progress is how far the import is.
func (im *Import) Progress() ImportProgress {
	im.mu.Lock()
	p := ImportProgress{Pieces: im.done, Planned: im.planned, Writing: im.writing, AllRows: im.toWrite}
	fetched := im.done - max(im.had, 0)
	im.mu.Unlock()
	p.Requests = im.requests()
	if p.Writing {
		p.Rows = im.written.Load()
		return p
	}
	left := p.Planned - p.Pieces
	if r, ok := im.flow.Forecast(); ok {
		// When the last request goes; reports that are built then take longer.
		p.Left = max(time.Until(r.To), 0)
		if left > 0 {
			p.Left += buildTakes
		}
	} else if fetched > 0 && left > 0 {
		p.Left = time.Since(im.began) / time.Duration(fetched) * time.Duration(left)
	}
	return p
}

// Rows is how many rows of the order are in the cache.
func (im *Import) Rows(ctx context.Context) (n int64) {
	pieces, err := im.archive.Current(ctx, account.NaverSearchAd, im.order.CustomerID, im.order.Reports, im.o.From, im.o.To)
	if err != nil {
		return 0 // a number to look at, no more
	}
	for _, p := range pieces {
		n += p.Rows
	}
	return n
}

// Cached is how many pieces a former start has left in the cache.
func (im *Import) Cached(ctx context.Context) int {
	pieces, err := im.archive.Current(ctx, account.NaverSearchAd, im.order.CustomerID, im.order.Reports, im.o.From, im.o.To)
	if err != nil {
		return 0
	}
	return len(pieces)
}

// writable finds out before anything is collected whether the spreadsheet can
// be put where it should be.
func writable(out string) error {
	dir := filepath.Dir(out)
	switch st, err := os.Stat(out); {
	case err == nil && st.IsDir():
		return errs.InvalidField("--out", "cli.out_is_folder", out)
	case err == nil && !st.Mode().IsRegular():
		// The finished file would take the place of the device itself.
		return errs.InvalidField("--out", "cli.out_no_file", out)
	}
	if st, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) || err == nil && !st.IsDir() {
		return errs.InvalidField("--out", "cli.out_no_folder", dir)
	}
	f, err := os.CreateTemp(dir, ".imreport-*")
	if err != nil {
		e := errs.InvalidField("--out", "cli.out_unwritable", dir)
		e.Cause = err
		return e
	}
	_ = f.Close()
	return os.Remove(f.Name())
}

// flagOf names the command's flags as fields of a definition are called.
var flagOf = map[string]string{
	"period": "--from, --to", "period.from": "--from", "period.to": "--to", "reports": "--report", "ad_account_id": "--customer",
}

// flags names an error's fields as the command's flags.
func flags(err error) error {
	e := errs.As(err)
	if e == nil {
		return err
	}
	for i, f := range e.Fields {
		if name, ok := flagOf[f.Name]; ok {
			e.Fields[i].Name = name
		}
	}
	return err
}

// everything is kept: what is too old is judged once the cache is open.
type everything struct{}

func (everything) Missing(context.Context, string, string, table.Day, table.Day) (table.Day, bool, error) {
	return 0, false, nil
}

// cached says which days are in the import's cache.
type cached struct {
	im       *Import
	customer string
}

func (v cached) Missing(ctx context.Context, _, report string, from, to table.Day) (table.Day, bool, error) {
	return missing(ctx, v.im.archive, account.NaverSearchAd, v.customer, report, from, to)
}

func either(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

// round is a duration as people say it: "8d0h", "3m20s".
func round(d time.Duration) string {
	const day = 24 * time.Hour
	if d = d.Abs(); d < day {
		return d.Round(time.Second).String()
	}
	d = d.Round(time.Hour)
	return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
}
