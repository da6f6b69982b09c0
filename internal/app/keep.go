package app

import (
	"context"
	"math/rand/v2"
	"time"

	"imreport/internal/archive"
)

// chore is something that is done every now and then. Every working process
// does it; all of them may be done by several at once.
type chore struct {
	name  string
	every time.Duration
	do    func(ctx context.Context) error
}

func (a *App) buildChores(context.Context) error {
	a.chores = append(a.chores,
		chore{"forget answers and sessions", time.Hour, a.people.Clean},
		chore{"clear the archive", 6 * time.Hour, func(ctx context.Context) error {
			objects, versions, err := a.archive.Collect(ctx, time.Now(), archive.DefaultKeep)
			if objects+versions > 0 {
				a.log.InfoContext(ctx, "archive cleared", "objects", objects, "versions", versions)
			}
			return err
		}},
		chore{"clear spreadsheets", 6 * time.Hour, func(ctx context.Context) error {
			n, err := a.xlsx.Collect(ctx, func(object string) (bool, error) { return a.runs.Points(ctx, object) }, time.Now().Add(-archive.DefaultKeep.Objects))
			if n > 0 {
				a.log.InfoContext(ctx, "spreadsheets of broken attempts cleared", "files", n)
			}
			return err
		}},
		chore{"take up head room", time.Minute, a.tuneAll},
		chore{"warn of days that will be lost", time.Hour, a.warnWindows},
	)
	return nil
}

// keep does a chore until ctx ends, the first time within its period, so that
// processes that start together do not do it together.
func (a *App) keep(ctx context.Context, c chore) {
	pause := time.Duration(rand.Int64N(int64(min(c.every, 10*time.Minute))))
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		if err := c.do(ctx); err != nil && ctx.Err() == nil {
			a.log.WarnContext(ctx, "chore failed; it is done again later", "chore", c.name, "error", err)
		}
		pause = c.every
	}
}
