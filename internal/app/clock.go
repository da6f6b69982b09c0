package app

import (
	"context"
	"net/http"
	"time"
)

const (
	// skewMatters: from here on the platform's clock is believed rather than
	// this machine's.
	skewMatters = time.Minute
	skewWithin  = 10 * time.Second
)

// Skew asks a platform for its time and says how far this machine's clock is
// behind it; negative when it is ahead. The request is unsigned and counts
// against nobody's rate.
func Skew(ctx context.Context, url string) (time.Duration, error) {
	ctx, stop := context.WithTimeout(ctx, skewWithin)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
	if err != nil {
		return 0, err
	}
	sent := time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	_ = resp.Body.Close()
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return 0, err
	}
	// Date is cut to seconds: half of one is its mean error.
	return date.Add(500 * time.Millisecond).Sub(sent.Add(time.Since(sent) / 2)), nil
}

// skewAtStart bounds how long a start waits to learn Naver's time.
const skewAtStart = 3 * time.Second

// learnSkew asks Naver for its time before the first run freezes its days:
// this machine's clock may be days off. Without an answer the first request
// tells.
func (a *App) learnSkew(ctx context.Context) {
	ctx, stop := context.WithTimeout(ctx, skewAtStart)
	defer stop()
	skew, err := Skew(ctx, a.c.NaverURL)
	if err != nil {
		return
	}
	a.naver.AssumeSkew(skew)
	if skew.Abs() >= skewMatters {
		a.log.WarnContext(ctx, "this machine's clock is wrong; days are told by Naver's", "behind_by", skew.Round(time.Second))
	}
}

// now is the time by which days are told: this machine's, unless Naver's
// answers show that it is wrong.
func (a *App) now() time.Time {
	now := time.Now()
	if skew := a.naver.Skew(); skew.Abs() >= skewMatters {
		now = now.Add(skew)
	}
	return now
}
