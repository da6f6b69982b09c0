package bulk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"imreport/internal/quota"
)

// HTTPOptions of OverHTTP. The zero value takes about 20 s.
type HTTPOptions struct {
	Jobs, Calls int     // 0: 10 raw data with 40 calls each
	Rate        float64 // calls per second that the server allows; 0: 25
}

// Wire is a morning over a real connection in real time.
type Wire struct {
	Makespan float64 `json:"makespan_to_ideal"`
	Refused  float64 `json:"refused_percent"`
	Calls    int     `json:"calls"`
	Failed   int     `json:"failed"` // runs that saw an error; must be 0
}

func (w Wire) print(out io.Writer) {
	fmt.Fprintf(out, "\nOver HTTP, %d calls: makespan %.3f of the ideal, %.2f %% refused, %d failed\n", w.Calls, w.Makespan, w.Refused, w.Failed)
}

// server429 is a token bucket per licence behind HTTP, in real time, burst 3.
type server429 struct {
	mu       sync.Mutex
	rate     float64
	buckets  map[string]*realBucket
	taken    map[string]int // accepted calls by job
	refused  int
	total    int // calls per job
	open     bool
	finished time.Time
	left     int // jobs not finished
}

type realBucket struct {
	tokens float64
	at     time.Time
}

func (s *server429) allow(licence string, now time.Time) bool {
	b := s.buckets[licence]
	if b == nil {
		b = &realBucket{3, now}
		s.buckets[licence] = b
	}
	b.tokens = min(3, b.tokens+now.Sub(b.at).Seconds()*s.rate)
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// call serves one request: 200, 429, or 410 when the job has all its calls.
func (s *server429) call(w http.ResponseWriter, r *http.Request) {
	licence, job := r.FormValue("licence"), r.FormValue("job")
	time.Sleep(time.Duration(5+rand.IntN(20)) * time.Millisecond)
	s.mu.Lock()
	now := time.Now()
	code := http.StatusOK
	switch {
	case !s.open:
		code = http.StatusServiceUnavailable
	case s.taken[job] >= s.total:
		code = http.StatusGone
	case !s.allow(licence, now):
		s.refused++
		code = http.StatusTooManyRequests
	default:
		s.taken[job]++
		if s.taken[job] == s.total {
			if s.left--; s.left == 0 {
				s.finished = now
			}
		}
	}
	s.mu.Unlock()
	if code == http.StatusOK {
		time.Sleep(time.Duration(40+rand.IntN(60)) * time.Millisecond)
	}
	w.WriteHeader(code)
}

// listen starts the server on a port of its own.
func listen(h http.Handler) (url string, stop func(), err error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = srv.Serve(l) }()
	return "http://" + l.Addr().String(), func() { _ = srv.Close() }, nil
}

var errGone = errors.New("the raw data has all its calls")

// ask sends one call through the gate.
func ask(ctx context.Context, g *quota.Gate, f *quota.Flow, c *http.Client, url, licence, job string) error {
	return g.Do(ctx, f, quota.Call{Operation: "bench", Scopes: []quota.Scope{{Kind: quota.IP, ID: "naver"},
		{Kind: quota.Licence, ID: licence}, {Kind: quota.Customer, ID: job}}}, func(ctx context.Context) (quota.Answer, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/call?licence="+licence+"&job="+job, nil)
		if err != nil {
			return quota.Answer{}, err
		}
		resp, err := c.Do(req)
		if err != nil {
			return quota.Answer{}, err
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		switch resp.StatusCode {
		case http.StatusOK:
			return quota.Answer{}, nil
		case http.StatusTooManyRequests:
			return quota.Answer{Refused: true}, nil
		case http.StatusGone:
			return quota.Answer{}, errGone
		}
		return quota.Answer{}, errors.New(resp.Status)
	})
}

func wireClient() *http.Client {
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 100}}
}

// OverHTTP plays a short morning over a real connection in real time.
func OverHTTP(ctx context.Context, o HTTPOptions) (w Wire, err error) {
	if o.Jobs == 0 {
		o.Jobs, o.Calls = 10, 40
	}
	if o.Rate == 0 {
		o.Rate = 25
	}
	s := &server429{rate: o.Rate, buckets: map[string]*realBucket{}, taken: map[string]int{}, total: o.Calls, open: true, left: o.Jobs}
	url, stop, err := listen(http.HandlerFunc(s.call))
	if err != nil {
		return w, err
	}
	defer stop()
	g, c := quota.New(quota.Options{}), wireClient()
	began := time.Now()
	failed := make([]bool, o.Jobs)
	var wg sync.WaitGroup
	for i := range o.Jobs {
		f := g.Flow(quota.FlowOptions{ID: strconv.Itoa(i), Class: quota.Bulk, Left: o.Calls})
		var calls sync.WaitGroup
		todo := make(chan struct{}, o.Calls)
		for range o.Calls {
			todo <- struct{}{}
		}
		close(todo)
		for range normalWorkers {
			calls.Go(func() {
				for range todo {
					if err := ask(ctx, g, f, c, url, "l", strconv.Itoa(i)); err != nil {
						failed[i] = true
					}
				}
			})
		}
		wg.Go(func() { calls.Wait(); f.Close() })
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return w, err
	}
	w.Calls = o.Jobs * o.Calls
	ideal := float64(w.Calls-3) / o.Rate
	w.Makespan = s.finished.Sub(began).Seconds() / ideal
	w.Refused = 100 * float64(s.refused) / float64(s.refused+w.Calls)
	for _, f := range failed {
		if f {
			w.Failed++
		}
	}
	return w, nil
}
