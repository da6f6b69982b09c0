package app

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"imreport/internal/account"
	"imreport/internal/db"
	"imreport/internal/jobs"
	"imreport/internal/quota"
)

// keepGate keeps what the gate learns in the database and, where several
// processes share it, this process's right to send: the runs of a licence are
// executed where its owner is, and move with it.
func (a *App) keepGate(ctx context.Context) (err error) {
	a.keeper, err = quota.Keep(ctx, a.d, a.gate, quota.KeepOptions{
		Log: a.log, Process: a.process,
		Moved: func(ctx context.Context, licence string) {
			err := a.runs.Yield(ctx, func(keyID string) bool {
				l, err := a.licence(ctx, a.d, keyID)
				return err == nil && l == licence
			})
			a.warn(ctx, "runs of a licence that moved could not be given back", err)
		},
		Died: func(ctx context.Context, process string) {
			// At first the dead one still stands as the owner of its licences, and
			// jobs are routed to it; once they have another, they are sent again.
			for _, pause := range ownersFollow {
				time.Sleep(pause)
				a.warn(ctx, "runs of a dead process could not be taken over at once", a.runs.TakeOver(ctx, process))
			}
		},
	})
	return err
}

// ownersFollow are pauses after a death within which its licences get other
// owners (package quota: 3 s and a heartbeat).
var ownersFollow = []time.Duration{0, 2 * time.Second, 4 * time.Second}

// route says which process should execute a run of the key.
func (a *App) route(ctx context.Context, tx *db.Tx, keyID string, _ quota.Class) (jobs.Queue, error) {
	if a.keeper == nil || a.d.Dialect() != db.Postgres {
		return "", nil
	}
	licence, err := a.licence(ctx, tx, keyID)
	if err != nil || licence == "" {
		return "", err
	}
	owner, err := a.keeper.Owner(ctx, tx, licence)
	if err != nil || owner == "" {
		return "", err
	}
	return jobs.ProcessQueue(owner), nil
}

// licence is that of a key; empty when the key is gone.
func (a *App) licence(ctx context.Context, q db.Queryer, keyID string) (l string, err error) {
	err = q.QueryRow(ctx, `SELECT license FROM api_key WHERE id = $1`, keyID).Scan(&l)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("licence of api key %s: %w", keyID, err)
	}
	return l, nil
}

func (a *App) warn(ctx context.Context, what string, err error) {
	if err != nil && ctx.Err() == nil {
		a.log.WarnContext(ctx, what, "error", err)
	}
}

// shortened is how a scope is named in metrics: a licence is like a password.
func shortened(s quota.Scope) string {
	if s.Kind == quota.Licence {
		return account.Mask(s.ID)
	}
	return s.ID
}

// usageWithin bounds what a page waits for another process's account.
const usageWithin = 2 * time.Second

// usage is how a licence is used, as its owner knows.
func (a *App) usage(licence string) quota.Usage {
	if a.keeper == nil {
		return a.gate.Usage(quota.Scope{Kind: quota.Licence, ID: licence})
	}
	ctx, stop := context.WithTimeout(context.Background(), usageWithin)
	defer stop()
	u, err := a.keeper.Usage(ctx, licence)
	a.warn(ctx, "usage of a licence could not be read", err)
	return u
}

// takes is about how long so many requests of a customer take behind what
// waits at the licence, builds and writing included. Of the two limits that
// may bind, the slower one counts.
func (a *App) takes(licence, customer string, requests int) time.Duration {
	if requests == 0 {
		return writingTakes
	}
	u, policies := a.usage(licence), quota.DefaultPolicies()
	common, own := policies[quota.Licence].Rate, policies[quota.CustomerReport].Rate
	for _, s := range u.Scopes {
		switch {
		case s.Kind == quota.Licence && s.RatePerS > 0:
			common = s.RatePerS
		case s.Kind == quota.CustomerReport && s.ID == customer && s.RatePerS > 0:
			own = s.RatePerS
		}
	}
	waiting := float64(u.Queue[quota.Interactive.String()])
	seconds := max((float64(requests)+waiting)/common, float64(requests)/own)
	return time.Duration(seconds*float64(time.Second)) + buildTakes + writingTakes
}

// About how long Naver builds a report, and how long a spreadsheet is written
// (docs/naver.md, docs/spreadsheets.md).
const (
	buildTakes   = 4 * time.Second
	writingTakes = time.Second
)
