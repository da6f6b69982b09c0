package naver

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// States of a job.
const (
	stRegist      = "REGIST"
	stWaiting     = "WAITING"
	stAggregating = "AGGREGATING"
	stRunning     = "RUNNING"
	stBuilt       = "BUILT"
	stNone        = "NONE"
	stError       = "ERROR"
	stChanged     = "CHANGED"
)

// job is a stat report (id, typ, d) or a master report (hex, item, from). What
// it will come to is settled when it is made; its state follows from the time.
type job struct {
	id       int64
	hex      string
	customer int64
	acct     int
	typ      string // report type, or master item
	d        day
	from     time.Time // of a master delta
	reg      time.Time
	build    time.Duration
	end      string // BUILT, NONE or ERROR
	rev      revision
	spoil    spoil
	changed  time.Time // since when CHANGED
	stuck    bool      // never ends
	noURL    bool      // BUILT, but downloadUrl stays empty
	hiccup   bool      // BUILT, but each download is a 500
	link     string    // query of the download URL
}

// Lifetimes and caps (fact sheet 2.5, 2.7, 3.6).
const (
	statLife = 14 * 24 * time.Hour
	maxJobs  = 100
	firstJob = 1000 // ids began anew with small numbers in Oct 2025
)

// state at an instant: a tenth of the time registered, a third queued, then
// running, then what it came to.
func (j *job) state(now time.Time) string {
	if !j.changed.IsZero() {
		return stChanged
	}
	age := now.Sub(j.reg)
	if j.stuck {
		age = min(age, j.build/2)
	}
	switch {
	case age >= j.build:
		return j.end
	case age < j.build/10:
		return stRegist
	case j.hex != "" || age >= j.build/3:
		return stRunning
	}
	if j.reg.In(kst).Hour() < 6 {
		return stAggregating
	}
	return stWaiting
}

// updated is when the state last changed.
func (j *job) updated(now time.Time) time.Time {
	switch j.state(now) {
	case stChanged:
		return j.changed
	case stRegist:
		return j.reg
	case stRunning, stWaiting, stAggregating:
		return j.reg.Add(j.build / 10)
	}
	return j.reg.Add(j.build)
}

// url is the download link of a finished job.
func (j *job) url(base string, now time.Time) string {
	if j.state(now) != stBuilt || j.noURL {
		return ""
	}
	return base + "/report-download?" + j.link
}

// newJob makes a job with the faults that strike it. Call it with s.mu held.
func (s *Server) newJob(c *call, typ string) *job {
	s.lastJob++
	j := &job{id: s.lastJob, customer: c.customer, acct: c.acct, typ: typ, reg: c.now}
	h := mix(mix(s.o.Seed, 0x6a6f62), uint64(j.id))
	j.build = s.o.BuildMin + time.Duration(unit(h)*float64(s.o.BuildMax-s.o.BuildMin))
	sum := sha256.Sum256([]byte(strconv.FormatUint(h, 16)))
	// A token with what has to be escaped in a query, as the vendor's have.
	token := base64.StdEncoding.EncodeToString(sum[:])
	token = token[:20] + "+/" + token[20:]
	j.link = "authtoken=" + url.QueryEscape(token) + "&fileVersion=v2"
	s.links[j.link] = j
	return j
}

func (s *Server) jobRoutes(mux *http.ServeMux) {
	s.handle(mux, "POST /stat-reports", s.postStat)
	s.handle(mux, "GET /stat-reports", s.listStat)
	s.handle(mux, "GET /stat-reports/{id}", s.getStat)
	s.handle(mux, "DELETE /stat-reports", s.deleteStats)
	s.handle(mux, "DELETE /stat-reports/{id}", s.deleteStat)
}

func (s *Server) postStat(c *call) {
	var body struct {
		ReportTp string `json:"reportTp"`
		StatDt   string `json:"statDt"`
	}
	extra, ok := c.jsonBody(&body)
	if !ok {
		return
	}
	t, known := reportTypes[body.ReportTp]
	d, err := parseDay(body.StatDt)
	if !known || err != nil {
		c.badParam()
		return
	}
	today := dayOf(c.now)
	if d >= today || d < today-day(t.back) {
		c.report(400, 10004, "선택하신 조건에 지표가 확인되지 않습니다. 보고서 항목이나 기간을 조정하세요.")
		return
	}
	s.mu.Lock()
	ready := s.readyLocked(d, body.ReportTp, c.now)
	s.mu.Unlock()
	if !ready {
		c.report(400, 20007, "해당 일자 지표 준비중입니다.")
		return
	}
	rev := s.revision(c.acct, d)
	end := stNone
	if c.acct >= 0 && s.any(body.ReportTp, query{acct: c.acct, d: d, rev: rev}) {
		end = stBuilt
	}
	s.mu.Lock()
	s.stormLocked()
	j := s.newJob(c, body.ReportTp)
	j.d, j.rev, j.end, j.noURL = d, rev, end, extra
	s.spoilLocked(c, j)
	jobs := append(s.liveLocked(c.customer, c.now), j)
	if len(jobs) > maxJobs { // the oldest is dropped without a word
		delete(s.links, jobs[0].link)
		jobs = jobs[1:]
	}
	s.stat[c.customer] = jobs
	answer := c.statBody(j)
	s.mu.Unlock()
	c.json(created(j), answer)
}

// created is the status of a POST: the vendor answers 200 or 201.
func created(j *job) int { return 200 + int(j.id%2) }

// stormLocked begins the incident of profile storm at the first report.
func (s *Server) stormLocked() {
	if s.o.Profile == "storm" && !s.stormed {
		s.stormed = true
		s.incident(0.3, 3*time.Minute)
	}
}

// liveLocked drops a customer's jobs older than statLife and returns the rest,
// oldest first.
func (s *Server) liveLocked(customer int64, now time.Time) []*job {
	jobs := s.stat[customer]
	for len(jobs) > 0 && now.Sub(jobs[0].reg) >= statLife {
		delete(s.links, jobs[0].link)
		jobs = jobs[1:]
	}
	s.stat[customer] = jobs
	return jobs
}

const zulu = "2006-01-02T15:04:05Z"

func (c *call) statBody(j *job) obj {
	updated := j.updated(c.now)
	if j.state(c.now) == stRegist {
		updated = j.d.start() // as in the vendor's own answers
	}
	return obj{"reportJobId": j.id, "statDt": j.d.start().Format(zulu), "updateTm": updated.UTC().Format(zulu), "reportTp": j.typ,
		"status": j.state(c.now), "downloadUrl": j.url(c.baseURL(), c.now), "regTm": j.reg.UTC().Format(zulu), "loginId": loginID}
}

func (s *Server) listStat(c *call) {
	s.mu.Lock()
	out := []obj{}
	for _, j := range slices.Backward(s.liveLocked(c.customer, c.now)) {
		out = append(out, c.statBody(j))
	}
	s.mu.Unlock()
	c.json(200, out)
}

// statJob runs fn, under the lock, on the job in the path. It answers 20011 for an
// unknown one and 20005 for one that is deleted or another customer's.
func (s *Server) statJob(c *call, fn func(j *job, i int)) bool {
	id, err := strconv.ParseInt(c.r.PathValue("id"), 10, 64)
	if err != nil {
		c.badParam()
		return false
	}
	s.mu.Lock()
	jobs := s.liveLocked(c.customer, c.now)
	i, ok := slices.BinarySearchFunc(jobs, id, func(j *job, id int64) int { return cmp.Compare(j.id, id) })
	if ok {
		fn(jobs[i], i)
	}
	last := s.lastJob
	s.mu.Unlock()
	switch {
	case ok:
	case id > firstJob && id <= last:
		c.report(403, 20005, "요청한 작업을 수행할 수 없습니다.")
	default:
		c.report(404, 20011, "보고서를 찾을 수 없습니다.")
	}
	return ok
}

func (s *Server) getStat(c *call) {
	var answer obj
	if s.statJob(c, func(j *job, _ int) { answer = c.statBody(j) }) {
		c.json(200, answer)
	}
}

func (s *Server) deleteStat(c *call) {
	if s.statJob(c, func(j *job, i int) {
		delete(s.links, j.link)
		s.stat[c.customer] = slices.Delete(slices.Clone(s.stat[c.customer]), i, i+1)
	}) {
		c.w.WriteHeader(204)
	}
}

func (s *Server) deleteStats(c *call) {
	s.mu.Lock()
	for _, j := range s.stat[c.customer] {
		delete(s.links, j.link)
	}
	delete(s.stat, c.customer)
	s.mu.Unlock()
	c.w.WriteHeader(204)
}

// Changed restates a day: jobs of the report (all of them when "") made so far
// turn CHANGED, and new ones give other numbers. It returns how many jobs turned.
func (s *Server) Changed(customer int64, report, statDay string) (int, error) {
	q, err := s.question(customer, report, statDay)
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t, one := reportTypes[report]
	s.changeLocked(func(w *world) {
		for _, conversions := range []bool{false, true} {
			if !one || t.conversions == conversions {
				w.revs[revKey{q.acct, q.d, conversions}]++
			}
		}
	})
	now, n := s.now(), 0
	for _, j := range s.stat[customer] {
		if j.d == q.d && (!one || j.typ == report) && j.changed.IsZero() {
			j.changed = now
			n++
		}
	}
	return n, nil
}
