package web

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// readyWithin bounds how long /readyz asks around.
const readyWithin = 2 * time.Second

// health adds what machines ask: does the process live, can it work, how does
// it do.
func (s *Site) health() {
	s.mux.HandleFunc("GET /healthz", s.plain(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = w.Write([]byte("ok\n"))
	}))
	s.mux.HandleFunc("GET /readyz", s.plain(func(w http.ResponseWriter, r *http.Request) {
		ctx, stop := context.WithTimeout(r.Context(), readyWithin)
		defer stop()
		w.Header().Set("Cache-Control", "no-store")
		if s.d.Ready != nil {
			if err := s.d.Ready(ctx); err != nil {
				s.answerError(w, r, unready(err))
				return
			}
		}
		_ = WriteJSON(w, http.StatusOK, map[string]bool{"ready": true}) // the client may have gone
	}))
	if s.d.Gatherer != nil {
		h := promhttp.HandlerFor(s.d.Gatherer, promhttp.HandlerOpts{})
		s.mux.HandleFunc("GET /metrics", s.plain(h.ServeHTTP))
	}
}
