package naver

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"imreport/internal/archive"
	"imreport/internal/db"
	"imreport/internal/table"
)

const (
	// jobsMax is how many jobs one collecting makes for one piece, when Naver
	// loses, restates or fails to build them.
	jobsMax = 4
	// noneMax is how many jobs may say "no data" against /stats before they
	// are believed.
	noneMax = 12
	// noneWait is when to ask again after a "no data" that cannot be true.
	noneWait = 10 * time.Minute
	// adopt is how much earlier than asked for a job may seem to be made.
	adoptBefore = 2 * time.Second
	// downloads of one job are tried so often before it is made anew.
	downloads = 3
)

// meta is what is stored with a piece.
type meta struct {
	Job         int64  `json:"job"`
	Run         string `json:"run,omitempty"` // that fetched it
	Transaction string `json:"transaction,omitempty"`
	None        bool   `json:"none,omitempty"`     // Naver said "no data"
	Idle        bool   `json:"idle,omitempty"`     // no job was made: /stats showed nothing at all
	Believed    bool   `json:"believed,omitempty"` // Naver stayed with it, whatever /stats says
	Odd         int64  `json:"odd,omitempty"`      // lines that were no rows
	Repaired    int64  `json:"repaired,omitempty"` // rows with a tab in a text
	Replaced    int64  `json:"replaced,omitempty"` // rows with bytes that are no UTF-8
	Unknown     int    `json:"unknown,omitempty"`  // columns that Naver has added
}

// piece brings one piece into the archive: it makes a job or takes up one that
// was made, waits for it, and stores what it gives. Whoever else fetches the
// piece is waited for instead.
func (c *collector) piece(ctx context.Context, n need) error {
	leave, waited, err := c.s.flights.enter(ctx, n.piece, c.o.Flow)
	if err != nil {
		return err
	}
	defer leave()
	if waited {
		if done, err := c.arrivedMeanwhile(ctx, n); err != nil || done {
			c.joined()
			return err
		}
	}
	f, waited, err := c.claim(ctx, n)
	if err != nil {
		return err
	}
	if waited || f.asked.IsZero() { // another process may have ended it just before
		if done, err := c.arrivedMeanwhile(ctx, n); err != nil || done {
			c.joined()
			return errors.Join(err, c.s.store.release(ctx, n.piece, c.s.leases.owner))
		}
	}
	c.s.leases.enter()
	defer c.s.leases.leave()
	err = c.fetch(ctx, n, f)
	if err != nil {
		if rerr := c.s.store.release(context.WithoutCancel(ctx), n.piece, c.s.leases.owner); rerr != nil {
			c.s.o.Log.WarnContext(ctx, "a fetch could not be released", "piece", n.piece.String(), "error", rerr)
		}
		return err
	}
	c.s.counts.fetched.Add(1)
	c.deleteOld(ctx, n.piece)
	return nil
}

// joined notes that somebody else has fetched a piece.
func (c *collector) joined() {
	c.s.counts.joined.Add(1)
	c.spare(WhyShared, callsPerPiece)
}

// fetch does what piece says, from where the fetch stands.
func (c *collector) fetch(ctx context.Context, n need, f fetch) error {
	watch := c.watch
	if c.s.o.Forgo.OneLook {
		watch = c.newWatch(ctx, &builds{})
	}
	watch.comes(n.piece)
	defer watch.came(n.piece)
	var last error
	late := 0
	for made := 0; ; {
		f, fresh, err := c.job(ctx, n, f)
		if err != nil {
			return err
		}
		if fresh {
			made++
		}
		j, err := watch.wait(ctx, f.job, n.piece, f.asked, f.asked.Add(c.s.o.ReportDeadline))
		if err == nil {
			last, err = c.outcome(ctx, n, f, j)
			if last == nil || err != nil {
				return err
			}
		} else {
			last = err
		}
		cl := class("")
		if x := asFault(last); x != nil {
			cl = x.class
		}
		if made >= 2 && errors.Is(last, errEmptyFile) {
			return c.none(ctx, n, f) // Naver stays with it
		}
		switch cl {
		case jobLate:
			if late++; late >= 2 {
				return last
			}
		case jobLost, jobFailed, unreadable, serverFault, unreachable:
			if made >= jobsMax || err != nil && cl != jobLost {
				return last
			}
		default:
			return last
		}
		c.s.o.Log.InfoContext(ctx, "report is made anew", "piece", n.piece.String(), "job", f.job, "why", last)
		if err := c.s.store.drop(ctx, n.piece); err != nil {
			return err
		}
		f.job, f.asked = 0, time.Time{}
		if cl == jobFailed {
			if err := sleep(ctx, c.pause(made)); err != nil {
				return err
			}
		}
	}
}

func (n need) key() archive.Key {
	return archive.Key{Platform: Platform, CustomerID: n.customer, Report: n.report, Day: n.day}
}

// pause grows with each try: as long as the client's last pause, then longer.
func (c *collector) pause(try int) time.Duration {
	if len(c.s.o.Pauses) == 0 {
		return 0
	}
	return c.s.o.Pauses[len(c.s.o.Pauses)-1] << min(max(try-1, 0), 3)
}

// job is the job that the piece waits for: one that was made before, or a new
// one.
func (c *collector) job(ctx context.Context, n need, f fetch) (_ fetch, fresh bool, err error) {
	if f.job != 0 {
		return f, false, nil
	}
	if !f.asked.IsZero() {
		// It was asked for, and then we died or the line broke: it may exist.
		j, found, err := c.find(ctx, n.piece, f.asked)
		if err != nil {
			return f, false, err
		}
		if found {
			return c.note(ctx, n.piece, f, j, false)
		}
	}
	return c.create(ctx, n, f)
}

// create makes a job, once Naver is known to have the day.
func (c *collector) create(ctx context.Context, n need, f fetch) (_ fetch, fresh bool, err error) {
	again, probe, ok, err := c.s.ready.enter(ctx, n.piece, c.today-1)
	if err != nil {
		return f, false, err
	}
	if !ok {
		return f, false, c.notReady(n, again, nil)
	}
	if probe {
		c.s.counts.probes.Add(1)
	}
	made, late := false, false
	defer func() { c.s.ready.leave(n.piece, made, late) }()
	asked := c.s.client.clock.real()
	if err := c.s.store.ask(ctx, n.piece, asked); err != nil {
		return f, false, err
	}
	var j job
	for try := 0; ; try++ {
		j, err = c.s.client.createJob(ctx, c.w, n.report, n.day)
		badAtTimes := is(err, badRequest) && asFault(err).code == falselyBad
		if !badAtTimes && !is(err, serverFault, unreachable, unreadable) || try >= len(c.s.o.Pauses) {
			break
		}
		if serr := sleep(ctx, c.s.o.Pauses[try]); serr != nil {
			return f, false, serr
		}
		// Whether it was made is open: look before making another.
		found, there, ferr := c.find(ctx, n.piece, asked)
		if ferr == nil && there {
			j, err = found, nil
			break
		}
	}
	switch {
	case is(err, preparing):
		late = true
		c.s.counts.notReady.Add(1)
		x := asFault(err)
		return f, false, c.notReady(n, c.s.o.Now().Add(c.s.o.ProbeInterval), x)
	case is(err, periodGone):
		return f, false, c.periodGone(n)
	case err != nil:
		return f, false, err
	}
	made = true
	return c.note(ctx, n.piece, f, j, true)
}

// note keeps the job that the piece waits for from now on.
func (c *collector) note(ctx context.Context, p piece, f fetch, j job, fresh bool) (fetch, bool, error) {
	f = fetch{job: int64(j.ID), jobs: f.jobs + 1, asked: c.s.o.Now()}
	return f, fresh, c.s.store.made(context.WithoutCancel(ctx), p, f.job, f.asked)
}

func (c *collector) notReady(n need, again time.Time, cause *fault) error {
	if drop := c.s.store.drop(context.Background(), n.piece); drop != nil {
		return drop
	}
	f := &fault{class: preparing, op: "stat-reports.create", customer: n.customer, until: c.s.ready.alarm(n.customer, n.day, again)}
	if cause != nil {
		f.status, f.code, f.title, f.transaction = cause.status, cause.code, cause.title, cause.transaction
	}
	f.args = []any{n.day.String(), n.report}
	return f
}

// find looks for a job of the piece that was made since asked, and that no
// other fetch is about.
func (c *collector) find(ctx context.Context, p piece, asked time.Time) (job, bool, error) {
	jobs, err := c.s.client.jobs(ctx, c.w)
	if err != nil {
		return job{}, false, err
	}
	ours, err := c.s.store.known(ctx, p.customer)
	if err != nil {
		return job{}, false, err
	}
	slices.SortFunc(jobs, func(a, b job) int { return b.Made.Compare(a.Made.Time) })
	for _, j := range jobs {
		if string(j.Report) == p.report && j.Day.Day == p.day && !j.Made.Before(asked.Add(-adoptBefore).Truncate(time.Second)) &&
			!slices.ContainsFunc(ours, func(k known) bool { return k.id == int64(j.ID) }) {
			return j, true, nil
		}
	}
	return job{}, false, nil
}

// outcome stores what a finished job gives. again says why the job is no good
// and another is to be made; err is final.
func (c *collector) outcome(ctx context.Context, n need, f fetch, j job) (again, err error) {
	bad := func(cl class, title string) error {
		return &fault{class: cl, op: "stat-reports.list", customer: n.customer, title: title}
	}
	switch {
	case j.Status == statusChanged:
		return bad(jobLost, statusChanged), nil
	case j.Status == statusError:
		return bad(jobFailed, statusError), nil
	case j.Status == statusNone:
		return nil, c.none(ctx, n, f)
	case j.URL == "":
		return bad(jobFailed, "built without an address"), nil
	}
	for try := 1; ; try++ {
		again = c.download(ctx, n, j, f.jobs)
		if again == nil || asFault(again) == nil || decisive(again) {
			return nil, again
		}
		if try >= downloads || !is(again, serverFault, unreachable, unreadable) {
			break
		}
		if err := sleep(ctx, c.pause(try)); err != nil {
			return nil, err
		}
	}
	switch {
	case is(again, columnsChanged):
		return nil, again
	case is(again, suspiciousPart):
		return nil, errors.Join(again, c.s.store.drop(ctx, n.piece))
	}
	return again, nil
}

// download reads the report into the archive.
func (c *collector) download(ctx context.Context, n need, j job, jobs int) error {
	if err := c.askFirst(ctx, n, jobs); err != nil {
		return err
	}
	r, err := c.s.client.download(ctx, c.w, string(j.URL))
	if err != nil {
		return err
	}
	defer func() { _ = r.stream.Close() }() // it was read, or the error is known
	// Only reading takes one of the few places. Whoever held one while waiting
	// for the gate would keep all other customers from their slots: four
	// downloads of one customer, at that customer's pace.
	r.stream.rest()
	select {
	case c.s.parsing <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	read := sync.OnceFunc(func() { <-c.s.parsing })
	defer read()
	p, err := newParser(r.stream, n.t, n.day, n.customer, !r.delimited)
	if err != nil {
		return err
	}
	m := &meta{Job: int64(j.ID), Transaction: r.transaction, Believed: jobs >= noneMax}
	ids := c.seen.reader(p.Schema())
	told, sum := p.Schema().Index(n.t.told.column()), int64(0)
	err = c.put(ctx, n, int64(j.ID), p, m, func(w *archive.Writer) error {
		err := drain(p, func(row table.Row) error {
			ids(row)
			if told >= 0 {
				sum += row[told].Num
			}
			return w.Write(row)
		})
		if err == nil {
			err = c.whole(ctx, n, sum, jobs, read)
		}
		m.Odd, m.Repaired, m.Replaced, m.Unknown = p.Odd, p.Repaired, p.Replaced, p.Unknown
		return err
	})
	if err == nil && (p.Odd > 0 || p.Unknown > 0) {
		c.s.o.Log.WarnContext(ctx, "report has lines or columns that are not known", "piece", n.piece.String(), "rows", p.Rows,
			"odd_lines", p.Odd, "unknown_columns", p.Unknown, "transaction", r.transaction)
	}
	return err
}

// put stores rows as the current version of the piece, and ends its fetch in
// the same transaction. The job it replaces is to be deleted at Naver, and its
// own too when nobody will ask whether its day has changed. Without a job (0)
// the one before stays, and is watched on.
func (c *collector) put(ctx context.Context, n need, id int64, p *parser, m *meta, write func(*archive.Writer) error) error {
	keep := id != 0 && n.day >= c.today-watchDays && c.keepLeft.Add(-1) >= 0
	schema := n.t.schema(0)
	if p != nil {
		schema = p.Schema()
	}
	m.Run = c.o.RunID
	_, err := c.s.o.Archive.Put(ctx, archive.Draft{
		Key: n.key(), Schema: schema, Meta: m, At: c.s.o.Now(), Write: write,
		Guard: func(ctx context.Context, tx *db.Tx) error {
			if c.o.Guard != nil {
				if err := c.o.Guard(ctx, tx); err != nil {
					return err
				}
			}
			if err := arrived(ctx, tx, n.piece, id, keep); err != nil {
				return err
			}
			if n.restated && c.s.o.Restated != nil {
				if err := c.s.o.Restated(ctx, tx, n.customer, n.report, n.day, c.o.RawDataID); err != nil {
					return err
				}
			}
			var lines []oddRow
			if p != nil {
				lines = p.OddRows
			}
			return odd(ctx, tx, n.piece, lines)
		},
	})
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.fetched[n.piece] = true
	c.mu.Unlock()
	return nil
}

// none stores a piece without rows, if "no data" can be true: a day on which
// the account's ads were shown has data, and one with conversions has some of
// them.
func (c *collector) none(ctx context.Context, n need, f fetch) error {
	if n.t.told != toldNothing && n.day >= c.today-watchDays && f.jobs < noneMax {
		a, err := c.happened(ctx, n.day)
		if err != nil && fatal(err) {
			return err
		}
		if err != nil {
			c.s.o.Log.InfoContext(ctx, "whether there is really no data could not be asked", "piece", n.piece.String(), "error", err)
		}
		if count := n.t.told.of(a); count > 0 {
			c.s.counts.suspicious.Add(1)
			if err := c.s.store.drop(ctx, n.piece); err != nil {
				return err
			}
			x := &fault{class: suspiciousNone, op: "stat-reports.list", customer: n.customer, until: c.s.o.Now().Add(noneWait)}
			x.args = []any{n.report, n.day.String(), count}
			return x
		}
	}
	return c.put(ctx, n, f.job, nil, &meta{Job: f.job, None: true, Believed: f.jobs >= noneMax}, nil)
}

// happened asks what happened in the account on the day, by /stats, once for
// all report types.
func (c *collector) happened(ctx context.Context, day table.Day) (activity, error) {
	done, err := c.askAlone(ctx)
	if err != nil {
		return activity{}, err
	}
	defer done()
	if a, ok := c.asked[day]; ok {
		return a, nil
	}
	a, _, err := c.activity(ctx, day, day)
	if err != nil {
		return activity{}, err
	}
	if c.asked == nil {
		c.asked = map[table.Day]activity{}
	}
	c.asked[day] = a
	return a, c.doubt(ctx, day, a)
}
