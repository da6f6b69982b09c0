package review

import (
	"strconv"
	"time"

	"imreport/internal/shop"
)

// due is when a message may go: delay after the clock, but not in quiet hours.
func due(clock time.Time, delay time.Duration, q *shop.QuietHours, zone *time.Location) time.Time {
	return loud(clock.Add(delay), q, zone)
}

// loud is the first instant from t on that is not in quiet hours. It walks the
// clock on the wall minute by minute, so that hours which a change to or from
// summer time leaves out or repeats need no rule of their own.
func loud(t time.Time, q *shop.QuietHours, zone *time.Location) time.Time {
	for t = t.In(zone); q.Covers(t); {
		t = t.Truncate(time.Minute).Add(time.Minute)
	}
	return t.UTC()
}

// backoff is the pause after the n-th failed attempt (from 1): first, twice as
// long each time, at most a day; at most 15 minutes while the server says
// nothing at all, so that mails go soon after it is back.
func backoff(first time.Duration, n int, silent bool) time.Duration {
	most := 24 * time.Hour
	if silent {
		most = max(first, 15*time.Minute)
	}
	d := first
	for range n - 1 {
		if d *= 2; d >= most {
			return most
		}
	}
	return min(d, max(most, first))
}

// giveUpAfter is how long a mail is retried: reference C4, soft bounces.
const giveUpAfter = 72 * time.Hour

// days is d in whole days, for a sentence.
func days(d time.Duration) string { return strconv.Itoa(int((d + 12*time.Hour) / (24 * time.Hour))) }
