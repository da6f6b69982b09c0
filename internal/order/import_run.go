package order

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"imreport/internal/db"
	"imreport/internal/shop"
)

const (
	importLease  = 30 * time.Second
	importTick   = time.Second
	importBatch  = 500 // orders in one transaction
	reportErrors = 1000
)

// errTaken: another process has the import, or a person cancelled it.
var errTaken = errors.New("the import was taken away")

// poke wakes this process's worker.
func (s *Service) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Start begins the work on imports and the purge of old uploads, until Stop.
func (s *Service) Start(ctx context.Context) error {
	if s.d.Dialect() == db.SQLite { // one process has the file: who held a lease is dead
		if _, err := s.d.Exec(ctx, `UPDATE order_import SET lease_us = 0 WHERE state = 'running'`); err != nil {
			return fmt.Errorf("imports: %w", err)
		}
	}
	ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	s.wg.Go(func() { s.work(ctx) })
	return nil
}

// Stop ends the work; an import under way goes on at the next start.
func (s *Service) Stop(ctx context.Context) error {
	if s.stop == nil {
		return nil
	}
	s.stop()
	done := make(chan struct{})
	go func() { s.wg.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("imports: %w", ctx.Err())
	}
}

func (s *Service) work(ctx context.Context) {
	tick := time.NewTicker(importTick)
	defer tick.Stop()
	var purged time.Time
	for {
		for ctx.Err() == nil {
			worked, err := s.RunNext(ctx)
			if err != nil && ctx.Err() == nil {
				s.o.Log.WarnContext(ctx, "import", "error", err)
			}
			if !worked {
				break
			}
		}
		if now := time.Now(); now.Sub(purged) > time.Hour {
			purged = now
			if err := s.Purge(ctx); err != nil && ctx.Err() == nil {
				s.o.Log.WarnContext(ctx, "purge of uploads", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-tick.C:
		}
	}
}

// RunNext takes the oldest import that waits, or whose worker is gone, and
// works on it until it ends. It reports whether there was one.
func (s *Service) RunNext(ctx context.Context) (worked bool, err error) {
	i, err := s.claimImport(ctx)
	if err != nil || i == nil {
		return false, err
	}
	err = s.runImport(ctx, i)
	if errors.Is(err, errTaken) {
		return true, nil
	}
	if ctx.Err() != nil {
		// Stopped: the next start goes on at once.
		_, _ = s.d.Exec(context.WithoutCancel(ctx), `UPDATE order_import SET lease_us = 0 WHERE id = $1 AND attempt = $2 AND state = 'running'`, i.ID, i.attempt)
		return true, ctx.Err()
	}
	failure := failureOf(err)
	if failure == "" && err != nil && i.attempt < importAttempts {
		return true, fmt.Errorf("import %s: %w", i.ID, err) // the lease runs out, then it is tried again
	}
	state := ImportDone
	if err != nil {
		state = ImportFailed
		if failure == "" {
			failure = "order.internal"
		}
		s.o.Log.WarnContext(ctx, "import failed", "import", i.ID, "error", err)
	}
	report := i.Report
	report.Errors = nil
	_, err = s.d.Exec(ctx, `UPDATE order_import SET state = $3, failure = $4, report = $5, ended_us = $6,
		password = CASE WHEN $7 THEN password ELSE '' END WHERE id = $1 AND attempt = $2 AND state = 'running'`,
		i.ID, i.attempt, string(state), failure, string(asJSON(report)), db.US(s.o.Now()), i.DryRun && state == ImportDone)
	if err != nil {
		return true, fmt.Errorf("end import %s: %w", i.ID, err)
	}
	return true, nil
}

// importAttempts is how often an import is tried that fails for no reason a
// person could mend.
const importAttempts = 4

// failureOf is the message of what is wrong with a file; empty for faults that
// are not the file's.
func failureOf(err error) string {
	var parse *csv.ParseError
	switch {
	case errors.Is(err, errTooMany):
		return "order.too_many_rows"
	case errors.As(err, &parse):
		return "order.file_broken"
	case errors.Is(err, os.ErrNotExist):
		return "order.file_gone"
	}
	return ""
}

func (s *Service) claimImport(ctx context.Context) (i *Import, err error) {
	var n int
	if err := s.d.QueryRow(ctx, `SELECT count(*) FROM order_import WHERE state IN ('waiting', 'running')`).Scan(&n); err != nil || n == 0 {
		return nil, err
	}
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		i = nil
		now, err := s.d.Now(ctx, tx)
		if err != nil {
			return err
		}
		const open = `(state = 'waiting' OR state = 'running' AND lease_us < $1)`
		got, err := s.scanImport(tx.QueryRow(ctx, `UPDATE order_import SET state = 'running', attempt = attempt + 1, lease_us = $2
			WHERE `+open+` AND id = (SELECT min(id) FROM order_import WHERE `+open+`) RETURNING `+importColumns, db.US(now), db.US(now.Add(importLease))))
		if isMissing(err) {
			return nil
		}
		i = &got
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("claim import: %w", err)
	}
	return i, nil
}

// chunk is some orders of a file, ready to be written.
type chunk struct {
	events []Event
	lines  []int64 // where each event's order begins
	sizes  []int64 // rows of each
	wrong  []RowError
	bad    int64 // orders refused
	badRow int64 // their rows
	rows   int64
	orders int64 // all of them
}

// running is an import at work. While pump runs, its reader changes only b and
// its writer only i's progress and report.
type running struct {
	s     *Service
	i     *Import
	shop  shop.Shop
	out   *os.File // the refused rows
	saved int      // how many of the report's errors are stored
	b     builder
}

func (s *Service) runImport(ctx context.Context, i *Import) error {
	sh, err := s.shops.ByID(ctx, nil, i.ShopID)
	if err != nil {
		return err
	}
	r := &running{s: s, i: i, shop: sh, b: builder{l: &i.layout, dates: dates{zone: sh.Location()}, unknownStatus: map[string]bool{}}}
	if i.groups == 0 {
		i.Report = Report{DryRun: i.DryRun}
		r.saved = -1
	}
	if r.out, err = os.OpenFile(s.errorsOf(i.ID), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return err
	}
	defer func() { _ = r.out.Close() }()
	if err := r.out.Truncate(i.errors); err != nil {
		return err
	}
	if _, err := r.out.Seek(i.errors, 0); err != nil {
		return err
	}
	o, err := r.survey(ctx)
	if err != nil {
		return err
	}
	i.Total = o.rows
	if err := r.checkpoint(ctx, s.d); err != nil {
		return err
	}
	if err := r.pump(ctx, o); err != nil {
		return err
	}
	i.Report.Rows = i.Done
	i.Report.Notices = r.notices(o)
	return nil
}

// survey reads the file once. Quotes where none may stand are forgiven at the
// second try, and told.
func (r *running) survey(ctx context.Context) (o overview, err error) {
	try := func() error {
		in, err := openRows(r.s.fileOf(r.i.ID), r.i.password, r.i.format)
		if err != nil {
			return err
		}
		defer func() { _ = in.close() }()
		o, err = survey(in, &r.i.layout, func(int64) error { return r.checkpoint(ctx, r.s.d) })
		return err
	}
	err = try()
	var parse *csv.ParseError
	if errors.As(err, &parse) && !r.i.format.Lazy {
		r.i.format.Lazy = true
		err = try()
	}
	return o, err
}

// pump reads ahead in one goroutine and writes in another.
func (r *running) pump(ctx context.Context, o overview) error {
	chunks := make(chan *chunk, 2)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(chunks)
		in, err := openRows(r.s.fileOf(r.i.ID), r.i.password, r.i.format)
		if err != nil {
			return err
		}
		defer func() { _ = in.close() }()
		c := &chunk{}
		send := func() error {
			select {
			case chunks <- c:
				c = &chunk{}
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		skip := r.i.groups
		err = groups(in, &r.i.layout, o, r.s.uploads(), func(rows []fileRow) error {
			if skip > 0 {
				skip--
				return nil
			}
			r.add(c, rows)
			if c.orders >= importBatch {
				return send()
			}
			return nil
		})
		if err == nil && c.orders > 0 {
			err = send()
		}
		return err
	})
	g.Go(func() error {
		for c := range chunks {
			if err := r.write(ctx, c); err != nil {
				return err
			}
		}
		return nil
	})
	return g.Wait()
}

func (r *running) add(c *chunk, rows []fileRow) {
	c.rows += int64(len(rows))
	c.orders++
	e, wrong := r.b.build(rows)
	if len(wrong) > 0 {
		c.wrong = append(c.wrong, wrong...)
		c.bad++
		c.badRow += int64(len(rows))
		return
	}
	e.ShopID = r.i.ShopID
	e.Origin = Origin{Source: CSV, Live: r.i.Mail, ImportID: r.i.ID, MailRate: r.i.Rate, At: r.i.CreatedAt}
	c.events = append(c.events, e)
	c.lines = append(c.lines, rows[0].line)
	c.sizes = append(c.sizes, int64(len(rows)))
}

// write applies a chunk and notes how far the import has come, in one
// transaction; in a dry run it only compares.
func (r *running) write(ctx context.Context, c *chunk) error {
	would, skipped := 0, map[string]int{}
	var results []Result
	if r.i.DryRun || r.i.Mail {
		var err error
		if results, err = r.s.compare(ctx, r.i.ShopID, c.events); err != nil {
			return err
		}
		if would, skipped, err = r.judge(ctx, results); err != nil {
			return err
		}
	}
	report, done, orders, errorBytes := r.i.Report, r.i.Done, r.i.groups, r.i.errors
	note := func(results []Result) error { // may run again, when a transaction does
		wrong := slices.Clone(c.wrong)
		r.i.Report = report.plus(c, results, would, skipped, &wrong)
		r.i.Done, r.i.groups = done+c.rows, orders+c.orders
		n, err := r.saveErrors(errorBytes, wrong)
		r.i.errors = errorBytes + n
		return err
	}
	if r.i.DryRun {
		if err := note(results); err != nil {
			return err
		}
		return r.checkpoint(ctx, r.s.d)
	}
	saved := r.saved
	return r.s.d.InTx(ctx, func(tx *db.Tx) error {
		r.saved = saved
		results, err := r.s.ApplyAll(ctx, tx, c.events)
		if err != nil {
			return err
		}
		if err := note(results); err != nil {
			return err
		}
		return r.checkpoint(ctx, tx)
	})
}

// judge asks which orders would be mailed, if they were live.
func (r *running) judge(ctx context.Context, results []Result) (would int, skipped map[string]int, err error) {
	if r.s.mailable == nil {
		return 0, nil, nil
	}
	var orders []Order
	for _, v := range results {
		if v.Outcome != Refused {
			v.Order.Live = true
			orders = append(orders, v.Order)
		}
	}
	if len(orders) == 0 {
		return 0, nil, nil
	}
	return r.s.mailable(ctx, r.i.ShopID, orders)
}

// plus is the report with a chunk added. What the store refused joins wrong.
func (r Report) plus(c *chunk, results []Result, would int, skipped map[string]int, wrong *[]RowError) Report {
	r.OrdersRefused += c.bad
	r.RowsRefused += c.badRow
	r.Rows += c.rows
	for k, v := range results {
		switch v.Outcome {
		case Added:
			r.Orders.New++
		case Updated:
			r.Orders.Updated++
		case Unchanged:
			r.Orders.Unchanged++
		case Refused:
			r.OrdersRefused++
			r.RowsRefused += c.sizes[k]
			*wrong = append(*wrong, RowError{Line: c.lines[k], Code: v.Code})
		}
	}
	r.Mailable += would
	if len(c.events) > 0 && c.events[0].Origin.Live {
		r.WouldMail += would
	}
	if len(skipped) > 0 {
		r.WouldSkip = maps.Clone(r.WouldSkip)
		if r.WouldSkip == nil {
			r.WouldSkip = map[string]int{}
		}
		for reason, n := range skipped {
			r.WouldSkip[reason] += n
		}
	}
	shown := min(len(*wrong), max(0, reportErrors-len(r.Errors)))
	r.Errors = append(slices.Clone(r.Errors), (*wrong)[:shown]...)
	r.MoreErrors += int64(len(*wrong) - shown)
	return r
}

// checkpoint notes how far the import has come and keeps its lease; errTaken
// if it is not this worker's any more.
func (r *running) checkpoint(ctx context.Context, q db.Queryer) error {
	now, err := r.s.d.Now(ctx, q)
	if err != nil {
		return err
	}
	report := r.i.Report
	report.Errors = nil // many and seldom new: they have a column of their own
	n, err := q.Exec(ctx, `UPDATE order_import SET rows_done = $3, rows_total = $4, orders_done = $5, errors_bytes = $6, report = $7, lease_us = $8
		WHERE id = $1 AND attempt = $2 AND state = 'running'`, r.i.ID, r.i.attempt, r.i.Done, r.i.Total, r.i.groups, r.i.errors,
		string(asJSON(report)), db.US(now.Add(importLease)))
	if err == nil && n == 0 {
		return errTaken
	}
	if err == nil && len(r.i.Report.Errors) != r.saved {
		_, err = q.Exec(ctx, `UPDATE order_import SET errors = $2 WHERE id = $1`, r.i.ID, string(asJSON(r.i.Report.Errors)))
		r.saved = len(r.i.Report.Errors)
	}
	if err != nil {
		return fmt.Errorf("checkpoint of import %s: %w", r.i.ID, err)
	}
	return nil
}

func (r *running) notices(o overview) []Notice {
	out := r.i.layout.notices()
	if r.b.dates.assumed {
		out = append(out, note("zone_assumed", r.shop.Zone))
	}
	if r.i.format.Lazy {
		out = append(out, note("quotes_forgiven"))
	}
	if n := len(o.scattered); n > 0 {
		out = append(out, note("rows_scattered", n))
	}
	if len(r.b.unknownStatus) > 0 {
		out = append(out, note("status_unknown", strings.Join(slices.Sorted(maps.Keys(r.b.unknownStatus)), ", ")))
	}
	return out
}
