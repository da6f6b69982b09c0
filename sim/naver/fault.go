package naver

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Fault is something that goes wrong. Those of kind:
//
//	500, 500java, 500empty, 502, 504, 1020   an answer of section 5 of the fact sheet
//	429html   the gateway refuses, though no limit was reached
//	503       maintenance, for these calls only
//	11001     "bad parameter" for a correct call
//	html      200 with an HTML page instead of JSON
//	empty     200 with an empty body
//	drop      the connection ends without an answer
//	hang      the answer comes For later, or never if the client leaves
//	cut       a download breaks off after After bytes
//
// strike a request; those of the kinds
//
//	stuck     the job stays RUNNING
//	error     it ends as ERROR
//	none      it ends as NONE, though there are data
//	nourl     it is BUILT with an empty downloadUrl
//	hiccup    it is BUILT, but each download is a 500
//	partial   Keep (0.45) of the lines are in the file
//	column    each line has one more, unknown column
//	badutf8   one line has an invalid byte
//	nonames   names in a master report are empty
//
// strike a job when it is made.
type Fault struct {
	ID   int    `json:"id"`
	Kind string `json:"kind"`
	// Path is the beginning of the paths it strikes ("/stat-reports"); "" is all.
	Path string `json:"path,omitempty"`
	// Method is one HTTP method; "" is all.
	Method string `json:"method,omitempty"`
	// Customer it strikes; 0 is all.
	Customer int64 `json:"customer,omitempty"`
	// Report is a report type or master item; "" is all. For job kinds only.
	Report string `json:"report,omitempty"`
	// Day is a data day, YYYYMMDD; "" is all. For job kinds only.
	Day string `json:"day,omitempty"`
	// Times is how often it strikes; 0 is until it is removed.
	Times int `json:"times,omitempty"`
	// Chance from 0 to 1 that it strikes when it could; 0 is always.
	Chance float64 `json:"chance,omitempty"`
	// ForMS is how long a hang lasts, in milliseconds of real time.
	ForMS int `json:"for_ms,omitempty"`
	// After is how many bytes a cut lets through.
	After int `json:"after,omitempty"`
	// Keep is the share of lines in partial; 0 means 0.45, as seen in issue 471.
	Keep float64 `json:"keep,omitempty"`
	// Hits counts its strikes.
	Hits int `json:"hits"`
}

// requestKinds are answered at once, in this order; "cut" is the download's own.
var requestKinds = []string{"drop", "hang", "429html", "503", "500", "500java", "500empty", "502", "504", "1020", "11001", "html", "empty"}

var jobKinds = []string{"stuck", "error", "none", "nourl", "hiccup", "partial", "column", "badutf8", "nonames"}

// AddFault lets something go wrong from now on and returns its id.
func (s *Server) AddFault(f Fault) (int, error) {
	if !slices.Contains(requestKinds, f.Kind) && !slices.Contains(jobKinds, f.Kind) && f.Kind != "cut" {
		return 0, fmt.Errorf("naver: no fault %q, only %v, %v and cut", f.Kind, requestKinds, jobKinds)
	}
	if f.Day != "" {
		d, err := parseDay(f.Day)
		if err != nil {
			return 0, err
		}
		f.Day = d.String()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastID++
	f.ID, f.Hits = s.lastID, 0
	s.faults = append(s.faults, &f)
	return f.ID, nil
}

// RemoveFault ends one; false if there is none of this id.
func (s *Server) RemoveFault(id int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.faults)
	s.faults = slices.DeleteFunc(s.faults, func(f *Fault) bool { return f.ID == id })
	return len(s.faults) < n
}

// ClearFaults ends all.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Faults lists those under way, with their hits.
func (s *Server) Faults() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Fault{}
	for _, f := range s.faults {
		out = append(out, *f)
	}
	return out
}

// hitLocked finds a fault of a kind that strikes now, and counts it.
func (s *Server) hitLocked(c *call, kind, typ string, d day) (Fault, bool) {
	for _, f := range s.faults {
		if f.Kind != kind || f.Customer != 0 && f.Customer != c.customer || f.Method != "" && f.Method != c.r.Method ||
			!strings.HasPrefix(c.r.URL.Path, f.Path) || f.Report != "" && f.Report != typ ||
			f.Day != "" && f.Day != d.String() || f.Times > 0 && f.Hits >= f.Times {
			continue
		}
		s.tx++
		if f.Chance > 0 && unit(mix(s.o.Seed^0x6661756c74, s.tx)) >= f.Chance {
			continue
		}
		f.Hits++
		return *f, true
	}
	return Fault{}, false
}

func (s *Server) strike(c *call, kind string) (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hitLocked(c, kind, "", 0)
}

// spoilLocked lets the job faults strike a new job.
func (s *Server) spoilLocked(c *call, j *job) {
	for _, kind := range jobKinds {
		if len(s.faults) == 0 {
			return
		}
		f, ok := s.hitLocked(c, kind, j.typ, j.d)
		if !ok {
			continue
		}
		switch kind {
		case "stuck":
			j.stuck = true
		case "error":
			j.end = stError
		case "none":
			j.end = stNone
		case "nourl":
			j.noURL = true
		case "hiccup":
			j.hiccup = true
		case "partial":
			j.spoil.keep = 0.45
			if f.Keep > 0 {
				j.spoil.keep = f.Keep
			}
		case "column":
			j.spoil.column = true
		case "badutf8":
			j.spoil.badUTF8 = true
		case "nonames":
			j.spoil.noNames = true
		}
	}
}

// strikes lets a request fault strike; true means the call is answered.
func (s *Server) strikes(c *call) bool {
	s.mu.Lock()
	var f Fault
	struck := false
	if len(s.faults) > 0 {
		for _, kind := range requestKinds {
			if f, struck = s.hitLocked(c, kind, "", 0); struck {
				break
			}
		}
	}
	s.mu.Unlock()
	if !struck {
		return false
	}
	switch f.Kind {
	case "drop":
		panic(http.ErrAbortHandler)
	case "hang":
		select {
		case <-c.r.Context().Done():
			panic(http.ErrAbortHandler)
		case <-time.After(time.Duration(f.ForMS) * time.Millisecond):
		}
		return false
	case "429html":
		html429(c)
	case "503":
		c.json(503, obj{"status": 503, "title": "Service Unavailable"})
	case "500":
		c.internalError()
	case "500java":
		delete(c.w.Header(), txHeader)
		c.json(500, obj{"timestamp": c.now.UnixMilli(), "status": 500, "error": "Internal Server Error",
			"exception": "java.net.SocketTimeoutException", "message": "Read timed out"})
	case "500empty":
		c.w.WriteHeader(500)
	case "502":
		html(c.w, 502, "<html><body><h1>502 Bad Gateway</h1>\nThe server returned an invalid or incomplete response.\n</body></html>\n")
	case "504":
		html(c.w, 504, "<html><body><h1>504 Gateway Time-out</h1>\nThe server didn't respond in time.\n</body></html>\n")
	case "1020":
		c.json(500, obj{"code": 1020, "status": 500, "title": "External system integration failure", "detail": "internal api"})
	case "11001":
		c.badParam()
	case "html":
		html(c.w, 200, "<html><head><title>NAVER</title></head><body>서비스 점검 중입니다.</body></html>\n")
	case "empty":
		c.w.WriteHeader(200)
	}
	return true
}

// FaultKinds lists what AddFault takes, for the admin page.
func FaultKinds() []string {
	all := map[string]bool{"cut": true}
	for _, k := range append(slices.Clone(requestKinds), jobKinds...) {
		all[k] = true
	}
	return slices.Sorted(maps.Keys(all))
}
