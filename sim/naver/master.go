package naver

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// maxDelta is how far back a delta may begin (fact sheet 2.7).
const maxDelta = 730 * 24 * time.Hour

func (s *Server) masterRoutes(mux *http.ServeMux) {
	s.handle(mux, "POST /master-reports", s.postMaster)
	s.handle(mux, "GET /master-reports", s.listMasters)
	s.handle(mux, "GET /master-reports/{id}", s.getMaster)
	s.handle(mux, "DELETE /master-reports", s.deleteMasters)
	s.handle(mux, "DELETE /master-reports/{id}", s.deleteMaster)
}

func (s *Server) postMaster(c *call) {
	var body struct {
		Item     string `json:"item"`
		FromTime string `json:"fromTime"`
	}
	if _, ok := c.jsonBody(&body); !ok {
		return
	}
	bad := func(detail string) { c.masterErr(400, "BadRequest", "Bad Request", detail) }
	item, known := masterItems[body.Item]
	if !known {
		bad(fmt.Sprintf("invalid item '%s'", body.Item))
		return
	}
	var from time.Time
	if body.FromTime != "" {
		var err error
		if from, err = time.Parse(time.RFC3339, body.FromTime); err != nil {
			bad(fmt.Sprintf("invalid fromTime '%s'", body.FromTime))
			return
		}
		if item.noDelta || from.After(c.now) || c.now.Sub(from) > maxDelta {
			bad(fmt.Sprintf("fromTime '%s' is not allowed", body.FromTime))
			return
		}
	}
	q := masterQuery{acct: c.acct, item: body.Item, from: from, now: c.now}
	end := stNone
	if s.anyMaster(q) {
		end = stBuilt
	}
	s.mu.Lock()
	if len(s.master[c.customer])+s.stuck[c.customer] >= maxJobs {
		s.mu.Unlock()
		bad("exceeded limit of '100' numbers of 'job'")
		return
	}
	j := s.newJob(c, body.Item)
	sum := md5.Sum([]byte(j.link))
	j.hex, j.from, j.end, j.build = hex.EncodeToString(sum[:]), from, end, j.build/10
	s.spoilLocked(c, j)
	s.master[c.customer] = append(s.master[c.customer], j)
	answer := c.masterBody(j)
	s.mu.Unlock()
	c.json(created(j), answer)
}

func (c *call) masterBody(j *job) obj {
	o := obj{"id": j.hex, "item": j.typ, "updateTime": stamp(j.reg), "status": j.state(c.now), "downloadUrl": j.url(c.baseURL(), c.now),
		"managerLoginId": loginID, "registTime": stamp(j.reg)}
	if !j.from.IsZero() {
		o["fromTime"] = stamp(j.from)
	}
	return o
}

func (s *Server) listMasters(c *call) {
	s.mu.Lock()
	out := []obj{}
	for _, j := range slices.Backward(s.master[c.customer]) {
		out = append(out, c.masterBody(j))
	}
	s.mu.Unlock()
	c.json(200, out)
}

// masterJob runs fn, under the lock, on the job in the path, or answers that
// there is none. Ids compare without regard of case: they were upper-case
// before Oct 2025.
func (s *Server) masterJob(c *call, fn func(j *job, i int)) bool {
	want, err := hex.DecodeString(c.r.PathValue("id"))
	s.mu.Lock()
	jobs := s.master[c.customer]
	i := slices.IndexFunc(jobs, func(j *job) bool { return err == nil && j.hex == hex.EncodeToString(want) })
	if i >= 0 {
		fn(jobs[i], i)
	}
	s.mu.Unlock()
	if i < 0 {
		c.masterErr(404, "NotFound", "Not Found", "The job is not found.")
	}
	return i >= 0
}

func (s *Server) getMaster(c *call) {
	var answer obj
	if s.masterJob(c, func(j *job, _ int) { answer = c.masterBody(j) }) {
		c.json(200, answer)
	}
}

func (s *Server) deleteMaster(c *call) {
	if s.masterJob(c, func(j *job, i int) {
		delete(s.links, j.link)
		s.master[c.customer] = slices.Delete(slices.Clone(s.master[c.customer]), i, i+1)
	}) {
		c.w.WriteHeader(204)
	}
}

func (s *Server) deleteMasters(c *call) {
	s.mu.Lock()
	for _, j := range s.master[c.customer] {
		delete(s.links, j.link)
	}
	delete(s.master, c.customer)
	s.mu.Unlock()
	c.w.WriteHeader(204)
}

// SetMasterStuck makes the job counter of a customer's master reports count
// extra jobs that are not there and cannot be deleted; 0 repairs it.
func (s *Server) SetMasterStuck(customer int64, extra int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stuck[customer] = extra
}
