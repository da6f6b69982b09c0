package naver

import (
	"net/http"
	"testing"
	"time"
)

// What was measured before the first request holds until answers tell better.
func TestAssumedSkew(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	c := &clock{now: func() time.Time { return now }}
	c.assume(8 * 24 * time.Hour)
	if got := c.real().Sub(now); got != 8*24*time.Hour {
		t.Fatalf("real time is %s ahead", got)
	}
	for range skewSamples {
		c.observe(http.Header{"Date": {now.UTC().Format(http.TimeFormat)}}, now, now)
	}
	if got := c.real().Sub(now); got != 0 {
		t.Errorf("after answers: %s", got)
	}
	c.assume(time.Hour)
	if got := c.real().Sub(now); got != 0 {
		t.Errorf("answers were forgotten: %s", got)
	}
}
