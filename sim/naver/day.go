package naver

import (
	"fmt"
	"time"
)

// kst is the zone of all days of the vendor: UTC+9, no DST.
var kst = time.FixedZone("KST", 9*3600)

// day counts KST days since 1970-01-01.
type day int

// dayOf is the KST day of t.
func dayOf(t time.Time) day {
	return day((t.Unix() + 9*3600) / 86400)
}

// date makes a day from a civil date.
func date(y int, m time.Month, d int) day {
	return day(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

// start is the instant of midnight in Seoul.
func (d day) start() time.Time { return time.Unix(int64(d)*86400-9*3600, 0).UTC() }

func (d day) format(layout string) string { return d.start().In(kst).Format(layout) }

// String is YYYYMMDD.
func (d day) String() string { return d.format("20060102") }

func (d day) weekday() time.Weekday { return time.Weekday((int(d) + 4) % 7) }

// parseDay reads YYYYMMDD, YYYY-MM-DD or an RFC 3339 instant.
func parseDay(s string) (day, error) {
	for _, layout := range []string{"20060102", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, kst); err == nil {
			return dayOf(t), nil
		}
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return 0, fmt.Errorf("naver: %q is not a day", s)
	}
	return dayOf(t), nil
}

// Days of the vendor on which the meaning of data changed.
var (
	// vatDay is the first data day whose Cost includes VAT (fact sheet 3.4).
	vatDay = date(2026, time.March, 30)
	// ctypeDay is the first data day with conversion types as words (3.2).
	ctypeDay = date(2024, time.July, 3)
	// advoostDay is the first data day with rows of neither keyword nor ad (3.2).
	advoostDay = date(2026, time.July, 21)
	// termOnlyDay is the first data day with search types 0, 1, 2 (3.2).
	termOnlyDay = date(2025, time.July, 1)
)
