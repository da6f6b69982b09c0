package web

import (
	"net/http"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// gzipMin is the size below which compressing costs more than it saves: an
// answer that fits into one packet.
const gzipMin = 1200 // bytes

var gzipWriters = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is valid
	return w
}}

// compress packs text answers for clients that accept it. Event streams and
// files pass as they are.
func compress(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Accept-Encoding")
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") || r.Method == http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		g := &gzipper{ResponseWriter: w}
		defer g.close()
		next.ServeHTTP(g, r)
	})
}

// gzipper holds back the first bytes until it knows whether to compress.
type gzipper struct {
	http.ResponseWriter
	status int
	held   []byte
	plain  bool // passed through
	z      *gzip.Writer
}

// Unwrap lets http.ResponseController reach what is below.
func (g *gzipper) Unwrap() http.ResponseWriter { return g.ResponseWriter }

func (g *gzipper) started() bool { return g.status != 0 || g.plain }

func (g *gzipper) WriteHeader(status int) {
	if g.status != 0 || g.plain {
		return
	}
	if status < 200 { // informational: more follows
		g.ResponseWriter.WriteHeader(status)
		return
	}
	g.status = status
	h := g.Header()
	if status == http.StatusNoContent || status == http.StatusNotModified || h.Get("Content-Encoding") != "" || !packable(h.Get("Content-Type")) {
		g.plain = true
		g.ResponseWriter.WriteHeader(status)
	}
}

func packable(contentType string) bool {
	t, _, _ := strings.Cut(contentType, ";")
	switch t {
	case "text/html", "text/css", "text/javascript", "text/plain", "application/json", ProblemType, "image/svg+xml":
		return true
	}
	return false
}

func (g *gzipper) Write(b []byte) (int, error) {
	if g.status == 0 && !g.plain {
		g.WriteHeader(http.StatusOK)
	}
	switch {
	case g.plain:
		return g.ResponseWriter.Write(b)
	case g.z != nil:
		return g.z.Write(b)
	}
	g.held = append(g.held, b...)
	if len(g.held) < gzipMin {
		return len(b), nil
	}
	h := g.Header()
	h.Set("Content-Encoding", "gzip")
	h.Del("Content-Length")
	g.ResponseWriter.WriteHeader(g.status)
	g.z = gzipWriters.Get().(*gzip.Writer)
	g.z.Reset(g.ResponseWriter)
	_, err := g.z.Write(g.held)
	g.held = nil
	return len(b), err
}

// Flush sends what is held; an answer that is flushed early is not compressed.
func (g *gzipper) Flush() {
	switch {
	case g.z != nil:
		_ = g.z.Flush()
	case !g.plain:
		g.pass()
	}
	_ = http.NewResponseController(g.ResponseWriter).Flush()
}

func (g *gzipper) pass() {
	g.plain = true
	if g.status != 0 {
		g.ResponseWriter.WriteHeader(g.status)
	}
	if len(g.held) > 0 {
		_, _ = g.ResponseWriter.Write(g.held)
		g.held = nil
	}
}

func (g *gzipper) close() {
	switch {
	case g.z != nil:
		_ = g.z.Close()
		gzipWriters.Put(g.z)
	case !g.plain:
		g.pass()
	}
}
