package naver

import (
	"io"
	"net/http"
)

// download serves /report-download. The query must come back as it was given:
// anything re-encoded, dropped or added is a 500, as at the vendor since
// fileVersion=v2.
func (s *Server) download(c *call) {
	s.mu.Lock()
	j := s.links[c.r.URL.RawQuery]
	if j != nil && j.hex == "" {
		s.liveLocked(j.customer, c.now)
		j = s.links[c.r.URL.RawQuery] // gone when it was too old
	}
	s.mu.Unlock()
	switch {
	case j == nil || j.hiccup:
		c.internalError()
		return
	case j.customer != c.customer:
		c.forbidden()
		return
	case j.state(c.now) != stBuilt:
		c.report(404, 20011, "보고서를 찾을 수 없습니다.")
		return
	}
	w := io.Writer(c.w)
	if f, ok := s.strike(c, "cut"); ok {
		w = &cutter{w: c.w, left: max(f.After, 1)}
	}
	c.w.Header().Set("Content-Type", "application/octet-stream")
	c.w.Header().Set("Cache-Control", "no-store, must-revalidate")
	var err error
	if j.hex != "" {
		err = s.writeMaster(w, masterQuery{acct: j.acct, item: j.typ, from: j.from, now: j.reg, spoil: j.spoil})
	} else {
		err = s.writeReport(w, j.typ, query{acct: j.acct, d: j.d, rev: j.rev}, j.spoil)
	}
	_, cut := w.(*cutter)
	if err != nil || cut {
		panic(http.ErrAbortHandler) // the connection ends without its last chunk
	}
}

// cutter passes so many bytes on, then fails.
type cutter struct {
	w    http.ResponseWriter
	left int
}

// Write passes on what is left and flushes it, so that the client has it.
func (c *cutter) Write(b []byte) (int, error) {
	n := min(len(b), c.left)
	c.left -= n
	n, err := c.w.Write(b[:n])
	if err == nil {
		err = http.NewResponseController(c.w).Flush()
	}
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return n, err
}
