package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"imreport/internal/i18n"
)

// bodyMax bounds what a request may send unless its route says otherwise.
const bodyMax = 1 << 20 // bytes

// policy is the Content-Security-Policy of every answer: nothing but our own
// files, no inline script or style, in nobody's frame.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
	"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// headers sets what every answer carries.
func (s *Site) headers(next http.Handler) http.Handler {
	https := strings.HasPrefix(s.d.PublicURL, "https://")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin") // "no-referrer" would blank the Origin of our own forms
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		if https {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// begin gives the request its Info and, when it has ended, its line in the log
// and its part of the metrics. A panic becomes an internal error.
func (s *Site) begin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		info := &Info{ID: requestID(r), Lang: i18n.Accept(r.Header.Get("Accept-Language"))}
		r = WithInfo(r, info)
		w.Header().Set("X-Request-Id", info.ID)
		rec := &recorder{ResponseWriter: w}
		defer func() {
			p := recover()
			if p != nil && p != http.ErrAbortHandler {
				err := fmt.Errorf("panic: %v\n%s", p, debug.Stack())
				info.err = err
				if rec.started() {
					p = http.ErrAbortHandler
				} else {
					p = nil
					s.answerError(rec, r, err)
				}
			}
			s.note(r, info, rec, time.Since(start))
			if p != nil {
				panic(p) // cuts the connection: half an answer must not look like a whole one
			}
		}()
		next.ServeHTTP(rec, r)
	})
}

// note writes the line of the access log: the route, never the path, because
// paths may hold sign-in links and access codes.
func (s *Site) note(r *http.Request, info *Info, rec *recorder, took time.Duration) {
	route := info.Pattern
	if route == "" {
		route = "-"
	}
	status := rec.status
	if status == 0 {
		status = http.StatusOK
	}
	level := slog.LevelInfo
	attrs := []slog.Attr{
		slog.String("route", route), slog.String("method", r.Method), slog.Int("status", status),
		slog.Int64("bytes", rec.bytes), slog.Duration("took", took.Round(10*time.Microsecond)),
		slog.String("request_id", info.ID), slog.String("ip", remoteIP(r)),
	}
	if info.Known {
		attrs = append(attrs, slog.String("workspace", info.Actor.WorkspaceID), slog.String("person", info.Actor.PersonID))
	}
	if info.err != nil {
		attrs = append(attrs, slog.String("error", info.err.Error()))
		if status >= 500 && !errors.Is(info.err, context.Canceled) {
			level = slog.LevelError
		}
	}
	quiet := route == "GET /healthz" || route == "GET /readyz" || route == "GET /metrics" || strings.HasPrefix(route, "GET /assets/")
	if quiet && status < 400 {
		level = slog.LevelDebug
	}
	s.d.Log.LogAttrs(r.Context(), level, "request", attrs...)
	s.took.With(prometheus.Labels{"route": route, "status": strconv.Itoa(status)}).Observe(took.Seconds())
}

// limit bounds the request's body; MaxBody may bound it otherwise.
func limit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.Body != http.NoBody {
			Of(r.Context()).body = r.Body
			MaxBody(w, r, bodyMax)
		}
		next.ServeHTTP(w, r)
	})
}

// MaxBody lets a request's body be up to n bytes long, more or less than the
// megabyte that is usual. It must be called before the body is read; reading
// further than that is answered 413. A larger body may also take longer.
func MaxBody(w http.ResponseWriter, r *http.Request, n int64) {
	b := Of(r.Context()).body
	if b == nil {
		return
	}
	r.Body = http.MaxBytesReader(w, b, n)
	if n > bodyMax {
		// Where it is not supported (tests) there is no deadline either.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(uploadWithin))
	}
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// Unwrap lets http.ResponseController reach what is below.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) started() bool { return r.status != 0 }

// started reports whether an answer has begun, so that no other can be given.
func started(w http.ResponseWriter) bool {
	for {
		if s, ok := w.(interface{ started() bool }); ok && s.started() {
			return true
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return false
		}
		w = u.Unwrap()
	}
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= 200 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}
