package naver

import (
	_ "embed"
	"encoding/json"
	"errors"
	"net/http"
	"time"
)

//go:embed admin.html
var adminPage []byte

// adminCall is the body of a POST under /_sim/; each call reads its own fields.
type adminCall struct {
	Day       string    `json:"day"`
	Report    string    `json:"report"`
	Item      string    `json:"item"`
	Customer  int64     `json:"customer"`
	At        time.Time `json:"at"`
	On        bool      `json:"on"`
	License   string    `json:"license"`
	Secret    string    `json:"secret"`
	Customers []int64   `json:"customers"`
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Seconds   float64   `json:"seconds"`
	Factor    float64   `json:"factor"`
	Extra     int       `json:"extra"`
	Fault     int       `json:"fault"`
}

func (a adminCall) duration() time.Duration { return time.Duration(a.Seconds * float64(time.Second)) }

// status is what the page shows.
type status struct {
	Now           time.Time `json:"now"`
	Profile       string    `json:"profile"`
	Seed          uint64    `json:"seed"`
	Accounts      int       `json:"accounts"`
	License       string    `json:"license"`
	Yesterday     string    `json:"yesterday"`
	Published     bool      `json:"published"`
	HeldBack      bool      `json:"held_back"`
	Maintenance   bool      `json:"maintenance"`
	OwnerCustomer int64     `json:"owner_customer"`
}

func (s *Server) status() status {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	y := dayOf(now) - 1
	return status{Now: now, Profile: s.o.Profile, Seed: s.o.Seed, Accounts: len(s.accts), License: s.o.License, Yesterday: y.String(),
		Published: s.readyLocked(y, "AD", now), HeldBack: s.late, Maintenance: s.closed, OwnerCustomer: s.o.OwnerCustomer}
}

// adminRoutes serves what doc.go lists under /_sim/.
func (s *Server) adminRoutes() http.Handler {
	mux := http.NewServeMux()
	get := func(path string, fn func(r *http.Request) (any, error)) {
		mux.HandleFunc("GET /_sim/"+path, func(w http.ResponseWriter, r *http.Request) {
			v, err := fn(r)
			adminAnswer(w, v, err)
		})
	}
	post := func(path string, fn func(a adminCall) (any, error)) {
		mux.HandleFunc("POST /_sim/"+path, func(w http.ResponseWriter, r *http.Request) {
			var a adminCall
			dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16))
			dec.DisallowUnknownFields()
			if err := dec.Decode(&a); err != nil {
				adminAnswer(w, nil, err)
				return
			}
			v, err := fn(a)
			adminAnswer(w, v, err)
		})
	}
	done := func(fn func(a adminCall)) func(adminCall) (any, error) {
		return func(a adminCall) (any, error) { fn(a); return obj{"ok": true}, nil }
	}
	mux.HandleFunc("GET /_sim/{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'")
		_, _ = w.Write(adminPage)
	})
	get("status", func(*http.Request) (any, error) { return s.status(), nil })
	get("metrics", func(*http.Request) (any, error) { return s.Metrics(), nil })
	get("customers", func(*http.Request) (any, error) { return s.Customers(), nil })
	get("limits", func(*http.Request) (any, error) { return s.Limits(), nil })
	get("faults", func(*http.Request) (any, error) {
		return obj{"items": s.Faults(), "kinds": FaultKinds()}, nil
	})
	post("truth", func(a adminCall) (any, error) {
		if a.Item != "" {
			return s.TruthMaster(a.Customer, a.Item)
		}
		return s.Truth(a.Customer, a.Report, a.Day)
	})
	post("ready", func(a adminCall) (any, error) { return obj{"ok": true}, s.SetReady(a.Day, a.Report, a.At) })
	post("published", done(func(a adminCall) { s.SetPublished(a.On) }))
	post("changed", func(a adminCall) (any, error) {
		n, err := s.Changed(a.Customer, a.Report, a.Day)
		return obj{"jobs": n}, err
	})
	post("license", done(func(a adminCall) { s.AddLicense(a.License, a.Secret, a.Customers...) }))
	post("rotate", func(a adminCall) (any, error) {
		setDefault(&a.License, s.o.License)
		return obj{"secret": s.RotateSecret(a.License)}, nil
	})
	post("revoke", done(func(a adminCall) { setDefault(&a.License, s.o.License); s.RevokeLicense(a.License) }))
	post("forbid", done(func(a adminCall) { s.Forbid(a.Customer, a.On) }))
	post("delete", func(a adminCall) (any, error) { return obj{"ok": true}, s.Delete(a.Customer, a.ID) })
	post("rename", func(a adminCall) (any, error) { return obj{"ok": true}, s.Rename(a.Customer, a.ID, a.Name) })
	post("maintenance", done(func(a adminCall) { s.SetMaintenance(a.On) }))
	post("skew", done(func(a adminCall) { s.SetSkew(a.duration()) }))
	post("statslag", done(func(a adminCall) { s.SetStatsLag(a.duration()) }))
	post("masterstuck", done(func(a adminCall) { s.SetMasterStuck(a.Customer, a.Extra) }))
	post("incident", done(func(a adminCall) { setDefault(&a.Factor, 0.3); s.Incident(a.Factor, a.duration()) }))
	post("resetmetrics", done(func(adminCall) { s.ResetMetrics() }))
	post("clearfaults", done(func(a adminCall) {
		if a.Fault != 0 {
			s.RemoveFault(a.Fault)
			return
		}
		s.ClearFaults()
	}))
	mux.HandleFunc("POST /_sim/faults", func(w http.ResponseWriter, r *http.Request) {
		var f Fault
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&f)
		if err == nil {
			f.ID, err = s.AddFault(f)
		}
		adminAnswer(w, obj{"id": f.ID}, err)
	})
	mux.HandleFunc("POST /_sim/limits", func(w http.ResponseWriter, r *http.Request) {
		var l Limits
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&l)
		if err == nil {
			s.SetLimits(l)
		}
		adminAnswer(w, l, err)
	})
	return http.NewCrossOriginProtection().Handler(mux)
}

// adminAnswer writes v, or {"error": words} with 404 or 400.
func adminAnswer(w http.ResponseWriter, v any, err error) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if err != nil {
		code := 400
		if errors.Is(err, ErrUnknown) {
			code = 404
		}
		w.WriteHeader(code)
		v = obj{"error": err.Error()}
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // the client went away: nothing left to say
}
