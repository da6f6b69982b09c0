package morning

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"imreport/internal/account"
	"imreport/internal/archive"
	"imreport/internal/db"
	"imreport/internal/i18n"
	"imreport/internal/incident"
	"imreport/internal/jobs"
	"imreport/internal/quota"
	"imreport/internal/report"
	"imreport/internal/run"
	"imreport/internal/schedule"
	"imreport/internal/seal"
	"imreport/internal/source/naver"
	"imreport/internal/table"
	vendor "imreport/sim/naver"
)

// house is the program as package app builds it, over a SQLite file in dir:
// the real source, gate, archive, runs and schedule. Only the spreadsheet is
// imitated (paper), and requests do not pass a network (wire).
type house struct {
	refetch int
	forgo   naver.Forgo
	debug   bool
	paper   *paper
	dir     string
	sim     *vendor.Server
	net     *wire
	gate    *quota.Gate // made by who opens the house

	d        *db.DB
	jobs     *jobs.Jobs
	keys     *account.Service
	source   *naver.Source
	reports  *report.Service
	runs     *run.Service
	mornings *schedule.Service
	box      *seal.Box

	end  context.CancelFunc
	done chan struct{}
}

const workspace = "w"

// open builds the house and lets it work.
func (h *house) open(ctx context.Context) (err error) {
	if h.d, err = db.Open(ctx, db.Options{Dir: h.dir}); err != nil {
		return err
	}
	if err := errors.Join(jobs.Migrate(ctx, h.d), h.d.Migrate(ctx)); err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	if h.debug {
		log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
	}
	if h.box, err = seal.New(make([]byte, seal.KeySize)); err != nil {
		return err
	}
	h.jobs = jobs.New(h.d, jobs.Options{Log: log, Process: "p", Poll: 5 * time.Second})
	incidents := incident.New(h.d, h.jobs, log)
	h.keys = account.New(h.d, h.jobs, h.box, incidents, log)
	h.keys.OnUsable(func(ctx context.Context, keyID string) error {
		_, err := h.runs.WakeSubject(ctx, run.CodeKeyInvalid, keyID)
		return err
	})
	store, err := archive.NewDir(filepath.Join(h.dir, "archive"))
	if err != nil {
		return err
	}
	pieces := archive.Open(h.d, store)
	h.source, err = naver.New(naver.Options{
		URL: "http://naver.test", Gate: h.gate, DB: h.d, Archive: pieces, Accounts: h.keys, Log: log, Transport: h.net,
		RefetchDays: h.refetch, Forgo: h.forgo,
		Published: func(table.Day) {
			go func() {
				if _, err := h.runs.WakeSubject(ctx, run.CodePlatformPreparing, naver.Preparing); err != nil && ctx.Err() == nil {
					log.Warn("wake", "error", err)
				}
			}()
		},
		Restated: func(ctx context.Context, tx *db.Tx, customer, report string, day table.Day, rawData string) error {
			return h.mornings.Restated(ctx, tx, customer, report, day, rawData)
		},
		Doubted: func(ctx context.Context, tx *db.Tx, customer, report string, day table.Day, rawData string) error {
			return h.mornings.Doubted(ctx, tx, customer, report, day, rawData)
		},
	})
	if err != nil {
		return err
	}
	h.reports = report.New(h.d, report.Options{Types: naver.Types()})
	h.runs = run.New(h.d, h.jobs, run.Options{
		Log: log, Process: "p", Reports: h.reports, Keys: h.keys, Gate: h.gate,
		Sources:      map[string]run.Source{account.NaverSearchAd: h.source},
		Destinations: map[string]run.Destination{report.XLSX: h.paper},
		Lang:         func(context.Context, string) (i18n.Lang, error) { return i18n.Korean, nil },
		Revisions:    h.source.Revisions, Writers: writers,
		Lacks: func(ctx context.Context, tx *db.Tx, r run.Run, late []run.LatePiece) error {
			return h.mornings.Lacks(ctx, tx, r, late)
		},
	})
	h.mornings = schedule.New(h.d, h.jobs, schedule.Options{
		Log: log, Runs: h.runs, Reports: h.reports, Box: h.box, Estimate: h.cost, Rate: h.rate,
	})
	if err := h.runs.Start(ctx); err != nil {
		return err
	}
	return h.jobs.Start(ctx)
}

// schedules lets the schedule start what is due, until close.
func (h *house) schedules(ctx context.Context) {
	ctx, h.end = context.WithCancel(ctx)
	h.done = make(chan struct{})
	go func() {
		defer close(h.done)
		_ = h.mornings.Run(ctx) // ends without error when ctx does
	}()
}

// close stops everything, as at the end of a process.
func (h *house) close(ctx context.Context) error {
	if h.end != nil {
		h.end()
		<-h.done
		h.end = nil
	}
	ctx, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	return errors.Join(h.jobs.Stop(ctx), h.runs.Stop(ctx), h.source.Close(ctx), h.d.Close())
}

func (h *house) rate(licence string) float64 {
	for _, s := range h.gate.Usage(quota.Scope{Kind: quota.Licence, ID: licence}).Scopes {
		if s.Kind == quota.Licence && s.ID == licence {
			return s.RatePerS
		}
	}
	return 0
}

func (h *house) cost(ctx context.Context, rd report.RawData, at time.Time) (schedule.Cost, error) {
	acc, err := h.keys.Account(ctx, h.d, rd.AccountID)
	if err != nil {
		return schedule.Cost{}, err
	}
	def := rd.Freeze(at)
	calls, _, err := h.source.EstimateOn(ctx, run.Order{
		WorkspaceID: rd.WorkspaceID, AccountID: acc.ID, CustomerID: acc.CustomerID, Reports: def.Reports, From: def.From, To: def.To,
	}, table.DayOf(at))
	return schedule.Cost{Licence: vendor.DefaultLicense, Calls: calls}, err
}

// writers write spreadsheets at once, as many as the machine has cores.
const writers = 4
