// Package schedule refreshes raw data each morning, exactly once.
//
// A schedule means "ready by": the plan starts early enough for what is
// learned of rates and sizes. What was started is a row in the table refresh,
// unique by (raw data, data day, cause), written in the transaction that
// admits the run: any number of processes may plan, restart or be late, and a
// refresh is neither lost nor doubled.
//
// Deciding (when.go, plan.go) is pure and takes the instant as an argument;
// store.go knows the tables, service.go drives both.
package schedule

import (
	"sync"
	"time"

	"imreport/internal/report"
	"imreport/internal/table"
)

// Occurrence is one morning of a schedule.
type Occurrence struct {
	// At is the instant that the schedule names: of being ready, or of the
	// start.
	At time.Time
	// Day is the data day: the newest Korean day that is over at At. Two
	// occurrences may have the same one where a zone changes its clock; then
	// only the first refreshes.
	Day table.Day
}

// zones keeps what was read of a zone: every look of the schedule asks for
// that of each raw data, and reading it opens a file.
var zones sync.Map // name to *time.Location

func zoneOf(name string) (*time.Location, error) {
	if z, ok := zones.Load(name); ok {
		return z.(*time.Location), nil
	}
	z, err := time.LoadLocation(name)
	if err == nil {
		zones.Store(name, z)
	}
	return z, err
}

// Around are the last occurrence of s at or before now and the first one
// after it. ok is false when the schedule cannot be read.
func Around(s report.Schedule, now time.Time) (last, next Occurrence, ok bool) {
	zone, err := zoneOf(s.Zone)
	if err != nil {
		return last, next, false
	}
	clock, err := time.Parse("15:04", s.DailyAt)
	if err != nil {
		return last, next, false
	}
	local := now.In(zone)
	on := func(days int) time.Time {
		// A time that the clock skips in spring is still one instant, and one
		// that comes twice in autumn is the first: as time.Date does.
		return time.Date(local.Year(), local.Month(), local.Day()+days, clock.Hour(), clock.Minute(), 0, 0, zone)
	}
	for days := -2; days <= 2; days++ {
		at := on(days)
		o := Occurrence{At: at.UTC(), Day: table.DayOf(at) - 1}
		if at.After(now) {
			return last, o, true
		}
		last = o
	}
	return last, next, false
}
