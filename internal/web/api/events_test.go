package api

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"imreport/internal/errs"
	"imreport/internal/run"
	"imreport/internal/web"
)

// stream reads the events of a server.
type eventReader struct {
	h *house
	r *http.Response
	s *bufio.Scanner
}

func (h *house) listen(base, token string) *eventReader {
	h.t.Helper()
	ctx, stop := context.WithTimeout(bg, 60*time.Second)
	h.t.Cleanup(stop)
	r, err := http.NewRequestWithContext(ctx, "GET", base+"/api/v1/events", nil)
	h.ok(err)
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Accept-Language", "en")
	a, err := http.DefaultClient.Do(r)
	h.ok(err)
	h.t.Cleanup(func() { _ = a.Body.Close() })
	if a.StatusCode != 200 || a.Header.Get("Content-Type") != "text/event-stream" {
		h.t.Fatalf("%d %v", a.StatusCode, a.Header)
	}
	return &eventReader{h: h, r: a, s: bufio.NewScanner(a.Body)}
}

// next is the next event; its name is empty when the stream has ended.
func (e *eventReader) next() (name string, data map[string]any) {
	e.h.t.Helper()
	for e.s.Scan() {
		line := e.s.Text()
		if v, ok := strings.CutPrefix(line, "event: "); ok {
			name = v
		}
		if v, ok := strings.CutPrefix(line, "data: "); ok {
			e.h.ok(json.Unmarshal([]byte(v), &data))
		}
		if line == "" && name != "" {
			return name, data
		}
	}
	return "", nil
}

// serve answers requests until the returned function is called.
func (h *house) serve() (base string, stop func()) {
	h.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	h.ok(err)
	ctx, cancel := context.WithCancel(bg)
	done := make(chan error, 1)
	go func() { done <- h.site.Serve(ctx, l) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			h.t.Errorf("serve: %v", err)
		}
	}
	h.t.Cleanup(stop)
	return "http://" + l.Addr().String(), stop
}

func TestEventsTellWhatChanges(t *testing.T) {
	each(t, func(h *house) {
		c := h.admin()
		_, acc := h.account(c, "1234567")
		base, stop := h.serve()
		e, stranger := h.listen(base, adminToken), h.listen(base, h.stranger().token)
		name, data := e.next()
		if name != "snapshot" || len(data["items"].([]any)) != 0 || data["poll_after_s"] != 60.0 {
			h.t.Fatalf("%s %v", name, data)
		}
		release := h.source.hold()
		defer release()
		raw, id := h.rawData(c, acc)
		// A second one of the same lane is short: it may begin and end between
		// two looks, and its end is told all the same.
		_, second := h.rawData(c, acc)
		last := map[any]float64{id: -1, second: -1}
		for last[id] != 7 || last[second] != 7 {
			name, data := e.next()
			if name != "change" {
				h.t.Fatalf("%q %v", name, data)
			}
			r := data["run_id"]
			state := data["state"].(float64)
			if _, ours := last[r]; !ours || state < last[r] || last[r] == 7 {
				h.t.Errorf("out of turn: %v after %v", data, last[r])
			}
			last[r] = state
			if r == id && data["raw_data_id"] != raw {
				h.t.Errorf("of another raw data: %v", data)
			}
			if r == id && state == 4 {
				h.source.set(nil)
				release()
			}
		}
		late := h.listen(base, adminToken)
		if name, data := late.next(); name != "snapshot" || len(data["items"].([]any)) != 0 {
			h.t.Errorf("late: %s %v", name, data)
		}
		// The end of the server ends the streams, not the other way round.
		stop()
		for _, s := range []*eventReader{e, late} {
			if name, data := s.next(); name != "" {
				h.t.Errorf("after the end: %s %v", name, data)
			}
		}
		if name, data := stranger.next(); name != "snapshot" || len(data["items"].([]any)) != 0 {
			h.t.Errorf("another workspace hears %s %v", name, data)
		}
		if name, data := stranger.next(); name != "" {
			h.t.Errorf("another workspace hears %s %v", name, data)
		}
	})
}

// oneWorkspace answers looks as the test says.
type oneWorkspace struct {
	*run.Service
	open, ended []run.View
	gone        map[string]run.View
}

func (o *oneWorkspace) Open(context.Context, string) ([]run.View, error) { return o.open, nil }

func (o *oneWorkspace) EndedSince(context.Context, string, time.Time, int) ([]run.View, error) {
	return o.ended, nil
}

func (o *oneWorkspace) Get(_ context.Context, _, id string) (run.View, error) {
	if v, ok := o.gone[id]; ok {
		return v, nil
	}
	return run.View{}, errs.E(errs.NotFound, "run.not_found", nil)
}

func TestALookTellsEachChangeOnce(t *testing.T) {
	now := time.Date(2026, 11, 20, 6, 0, 0, 0, time.UTC)
	view := func(id string, s run.State, done int64) run.View {
		v := run.View{Run: run.Run{ID: id, State: s, Done: done}}
		if s.Ended() {
			v.EndedAt = now
		}
		return v
	}
	runs := &oneWorkspace{gone: map[string]run.View{}}
	seen := sight{open: map[string]run.View{}, told: map[string]time.Time{}}
	look := func() (told string) {
		t.Helper()
		_, changed, err := seen.look(context.Background(), runs, "w", now)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range changed {
			told += v.ID + v.State.String() + " "
		}
		return strings.TrimSpace(told)
	}
	for _, step := range []struct {
		name        string
		open, ended []run.View
		gone        []run.View
		want        string
	}{
		{"what ended before is not told", []run.View{view("a", 3, 0)}, []run.View{view("z", 7, 1)}, nil, "aCREATING"},
		{"nothing new", []run.View{view("a", 3, 0)}, []run.View{view("z", 7, 1)}, nil, ""},
		{"progress", []run.View{view("a", 4, 1)}, nil, nil, "aIMPORTING"},
		{"an end, and a run that was never seen open", nil, []run.View{view("a", 7, 1), view("b", 0, 0)}, nil, "aSUCCESS bFAILED"},
		{"an end is told once", nil, []run.View{view("a", 7, 1), view("b", 0, 0)}, nil, ""},
		{"another", []run.View{view("c", 4, 1), view("d", 1, 0)}, nil, nil, "cIMPORTING dCREATE_WAITING"},
		{"an end longer ago than the looks go back", []run.View{view("d", 3, 0)}, nil, []run.View{view("c", 7, 1)}, "dCREATING cSUCCESS"},
		{"a run that is gone", nil, nil, nil, ""},
	} {
		runs.open, runs.ended = step.open, step.ended
		for _, v := range step.gone {
			runs.gone[v.ID] = v
		}
		if got := look(); got != step.want {
			t.Errorf("%s: %q, want %q", step.name, got, step.want)
		}
	}
	now = now.Add(time.Minute)
	look()
	if len(seen.open) != 0 || len(seen.told) != 0 {
		t.Errorf("kept for ever: %v", seen)
	}
}

func TestASlowListenerHearsTheLastChange(t *testing.T) {
	l := &listener{changes: map[string]run.View{}, changed: make(chan struct{}, 1)}
	l.tell(nil, nil)
	for n := range int64(1000) {
		l.tell(nil, []run.View{{Run: run.Run{ID: "a", State: run.Importing, Done: n}}})
	}
	_, changed := l.take()
	if len(changed) != 1 || changed[0].Done != 999 {
		t.Errorf("%d changes", len(changed))
	}
	if _, changed := l.take(); len(changed) != 0 {
		t.Errorf("told twice")
	}
}

func TestAStreamEndsWithItsToken(t *testing.T) {
	one(t, func(h *house) {
		c := h.admin()
		tok := c.do("POST", "/tokens", `{"name":"x","role":"client"}`).want(201)
		a := &API{site: h.site}
		r := httptest.NewRequest("GET", "/api/v1/events", nil)
		r.Header.Set("Authorization", "Bearer "+tok.text("token"))
		r = web.WithInfo(r, &web.Info{})
		h.ok(h.site.Authenticate(r))
		if !a.stillIn(r) {
			h.t.Error("a good token has lost its stream")
		}
		c.do("DELETE", "/tokens/"+tok.text("id"), "").want(204)
		if a.stillIn(r) {
			h.t.Error("a revoked token keeps its stream")
		}
		r = web.WithInfo(httptest.NewRequest("GET", "/api/v1/events", nil), &web.Info{})
		if a.stillIn(r) {
			h.t.Error("nobody has a stream")
		}
	})
}

func TestStreamsAreBounded(t *testing.T) {
	one(t, func(h *house) {
		e := newEvents(&API{d: Deps{Runs: h.runs}, site: h.site})
		var leaves []func()
		for range streamsMax {
			_, leave, err := e.listen("w")
			h.ok(err)
			leaves = append(leaves, leave)
		}
		if _, _, err := e.listen("w"); errs.KindOf(err) != errs.TooMany {
			h.t.Errorf("one too many: %v", err)
		}
		for _, leave := range leaves {
			leave()
		}
		if len(e.by) != 0 {
			h.t.Error("somebody still watches")
		}
	})
}
