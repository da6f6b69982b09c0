package morning

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"imreport/internal/quota"
	vendor "imreport/sim/naver"
)

// latency is how long a request is on its way, there and back: what Naver's
// answers take from Seoul (docs/naver.md).
const latency = 60 * time.Millisecond

// wire carries requests to the simulator without a network, and counts them.
type wire struct {
	sim   *vendor.Server
	rates []quota.Rate // what the gate has learned, kept over a restart

	mu    sync.Mutex
	calls map[string]int            // accepted, by "METHOD /path"
	of    map[string]map[string]int // the same by customer
	// refused are answers 429, notReady answers 20007 with when they came.
	refused  []refusal
	notReady []time.Time
}

// refusal is an answer 429: what refused what, and when.
type refusal struct {
	scope, op, customer string
	at                  time.Time
}

// RoundTrip asks the simulator.
func (w *wire) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	select {
	case <-time.After(latency / 2):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	in := r.Clone(r.Context())
	in.RequestURI, in.RemoteAddr, in.Host = r.URL.RequestURI(), "203.0.113.7:4711", r.URL.Host
	rec := &answer{header: http.Header{}}
	func() {
		defer func() {
			if v := recover(); v != nil {
				err = errors.New("the line broke")
			}
		}()
		w.sim.ServeHTTP(rec, in)
	}()
	if err != nil {
		return nil, err
	}
	if rec.code == 0 {
		rec.code = http.StatusOK
	}
	w.count(r, rec)
	time.Sleep(latency / 2)
	return &http.Response{
		Status: http.StatusText(rec.code), StatusCode: rec.code, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: rec.header, Body: io.NopCloser(&rec.body), ContentLength: int64(rec.body.Len()), Request: r,
	}, nil
}

// op is what r asks for: "METHOD /path", without ids.
func op(r *http.Request) string {
	path := r.URL.Path
	for _, p := range []string{"/stat-reports/", "/master-reports/"} {
		if strings.HasPrefix(path, p) {
			path = p + "{id}"
		}
	}
	return r.Method + " " + path
}

// refuse notes which scope refused r; the simulator tells it.
func (w *wire) refuse(scope string, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refused = append(w.refused, refusal{scope, op(r), r.Header.Get("X-Customer"), time.Now()})
}

func (w *wire) count(r *http.Request, a *answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if a.code == http.StatusTooManyRequests {
		return
	}
	if w.calls == nil {
		w.calls, w.of = map[string]int{}, map[string]map[string]int{}
	}
	w.calls[op(r)]++
	if a.code == http.StatusBadRequest && bytes.Contains(a.body.Bytes(), []byte("20007")) {
		w.notReady = append(w.notReady, time.Now()) // asked for all, not for the account
		return
	}
	who := r.Header.Get("X-Customer")
	if w.of[who] == nil {
		w.of[who] = map[string]int{}
	}
	w.of[who][op(r)]++
}

// take returns what was counted and starts anew.
func (w *wire) take() tally {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := tally{calls: w.calls, of: w.of, refused: w.refused, notReady: w.notReady}
	w.calls, w.of, w.refused, w.notReady = nil, nil, nil, nil
	return t
}

// answer is an http.ResponseWriter in memory.
type answer struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header { return a.header }
func (a *answer) WriteHeader(code int) {
	if a.code == 0 {
		a.code = code
	}
}
func (a *answer) Write(b []byte) (int, error) {
	if a.code == 0 {
		a.code = http.StatusOK
	}
	return a.body.Write(b)
}
