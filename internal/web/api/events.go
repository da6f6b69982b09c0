package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"imreport/internal/errs"
	"imreport/internal/run"
	"imreport/internal/web"
	"imreport/internal/workspace"
)

// Events tell what /status would say, as it changes. Runs may be worked at by
// any process, so the database is asked: by one watcher per workspace, once a
// second, and only while somebody listens. All who listen share it.
//
// A stream begins with a "snapshot", which is the whole of /status, so that
// whoever comes back has missed nothing; a "change" is one item of it, sent
// for the last time when its run has ended. A line without meaning is sent
// every 15 s, so that proxies do not take the connection for dead.

const (
	eventStreamType = "text/event-stream"
	// watchEvery is the pause between two looks. The looks of a large
	// workspace take longer: then the pause is restFactor times that.
	watchEvery = time.Second
	restFactor = 4
	heartbeat  = 15 * time.Second
	// streamLast bounds a stream; the client comes back by itself.
	streamLast = 15 * time.Minute
	// sendWithin is how long a client may take to read an event.
	sendWithin = 10 * time.Second
	// lookBack is how far a look asks for runs that have ended: more than the
	// clocks of two machines differ. A run may begin and end between two looks.
	lookBack = 10 * time.Second
	// endedMax bounds one answer about them.
	endedMax = 1000
	// comeBackAfter is told to clients, in milliseconds.
	comeBackAfter = 3000
	// streamsMax bounds the streams of one workspace in one process.
	streamsMax = 200
)

// events are the watchers of the workspaces that somebody listens to.
type events struct {
	a  *API
	mu sync.Mutex
	by map[string]*watcher
}

// watcher looks at one workspace for all who listen.
type watcher struct {
	listeners map[*listener]struct{}
	stop      context.CancelFunc
}

// listener is one stream. changed is full when there is something to say; the
// stream then asks what.
type listener struct {
	mu      sync.Mutex
	began   bool                // the first look was told
	open    []run.View          // all that is open
	changes map[string]run.View // since the stream last asked, by run
	order   []string
	changed chan struct{}
}

func newEvents(a *API) *events { return &events{a: a, by: map[string]*watcher{}} }

// listen adds a listener; the caller calls leave.
func (e *events) listen(workspaceID string) (l *listener, leave func(), err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	w := e.by[workspaceID]
	if w != nil && len(w.listeners) >= streamsMax {
		return nil, nil, errs.E(errs.TooMany, "api.too_many_streams", nil, streamsMax)
	}
	if w == nil {
		ctx, stop := context.WithCancel(context.Background())
		w = &watcher{listeners: map[*listener]struct{}{}, stop: stop}
		e.by[workspaceID] = w
		go e.watch(ctx, workspaceID, w)
	}
	l = &listener{changes: map[string]run.View{}, changed: make(chan struct{}, 1)}
	w.listeners[l] = struct{}{}
	return l, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(w.listeners, l)
		if len(w.listeners) == 0 {
			w.stop()
			delete(e.by, workspaceID)
		}
	}, nil
}

// watch looks until the last listener has left.
func (e *events) watch(ctx context.Context, workspaceID string, w *watcher) {
	seen := sight{open: map[string]run.View{}, told: map[string]time.Time{}}
	for {
		began := time.Now()
		open, changed, err := seen.look(ctx, e.a.d.Runs, workspaceID, e.a.now())
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			// The next look tells all that has changed meanwhile.
			e.a.site.Log().WarnContext(ctx, "events are late", "workspace", workspaceID, "error", err)
		default:
			e.mu.Lock()
			for l := range w.listeners {
				l.tell(open, changed)
			}
			e.mu.Unlock()
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(watchEvery, restFactor*time.Since(began))):
		}
	}
}

// sight is what a watcher has seen so far.
type sight struct {
	open map[string]run.View  // by run
	told map[string]time.Time // runs whose end was told, and when they ended
	any  bool                 // there was a look
}

// look compares how things stand with what was seen before. What has changed
// comes in the order in which people should hear of it: ends last.
func (s *sight) look(ctx context.Context, runs Runs, workspaceID string, now time.Time) (open, changed []run.View, err error) {
	// Ends are asked for after what is open: a run that ends in between is in
	// both, and its end is told by this look or the next.
	if open, err = runs.Open(ctx, workspaceID); err != nil {
		return nil, nil, err
	}
	ended, err := runs.EndedSince(ctx, workspaceID, now.Add(-lookBack), endedMax)
	if err != nil {
		return nil, nil, err
	}
	still := make(map[string]bool, len(open))
	for _, v := range open {
		still[v.ID] = true
	}
	known := make(map[string]bool, len(ended))
	for _, v := range ended {
		known[v.ID] = true
	}
	for id := range s.open { // ended longer ago than the answer goes back
		if still[id] || known[id] {
			continue
		}
		v, err := runs.Get(ctx, workspaceID, id)
		if err != nil && errs.KindOf(err) != errs.NotFound {
			return nil, nil, err
		}
		if err == nil && v.State.Ended() {
			ended = append(ended, v)
		}
	}
	// From here on nothing fails, so nothing is told twice or forgotten.
	for _, v := range open {
		if old, ok := s.open[v.ID]; !ok || !alike(old, v) {
			changed = append(changed, v)
		}
	}
	for _, v := range ended {
		if _, ok := s.told[v.ID]; !ok && s.any {
			changed = append(changed, v)
		}
		s.told[v.ID] = v.EndedAt
	}
	clear(s.open)
	for _, v := range open {
		s.open[v.ID] = v
	}
	for id, at := range s.told {
		if now.Sub(at) > 2*lookBack {
			delete(s.told, id)
		}
	}
	s.any = true
	return open, changed, nil
}

// alike reports whether two looks at a run tell people the same.
func alike(a, b run.View) bool {
	return a.State == b.State && a.Reason == b.Reason && fmt.Sprint(a.ReasonArgs...) == fmt.Sprint(b.ReasonArgs...) &&
		a.WakeAt.Equal(b.WakeAt) && a.Position == b.Position && a.Ahead == b.Ahead && a.Done == b.Done && a.Total == b.Total &&
		a.Class == b.Class && a.Force == b.Force
}

// tell notes what has changed. Several changes of a run that the stream has
// not asked for yet become one, so a slow reader costs nothing.
func (l *listener) tell(open, changed []run.View) {
	l.mu.Lock()
	first := !l.began
	l.began, l.open = true, open
	if !first {
		for _, v := range changed {
			if _, waits := l.changes[v.ID]; !waits {
				l.order = append(l.order, v.ID)
			}
			l.changes[v.ID] = v
		}
	}
	some := first || len(l.order) > 0
	l.mu.Unlock()
	if some {
		select {
		case l.changed <- struct{}{}:
		default:
		}
	}
}

// take is what the stream says next: everything at first, then changes.
func (l *listener) take() (open, changed []run.View) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range l.order {
		changed = append(changed, l.changes[id])
	}
	l.order = nil
	clear(l.changes)
	return l.open, changed
}

// getEvents is the stream of one listener.
func (a *API) getEvents(w http.ResponseWriter, r *http.Request) error {
	info := web.Of(r.Context())
	l, leave, err := a.events.listen(info.Actor.WorkspaceID)
	if err != nil {
		return err
	}
	defer leave()
	h := w.Header()
	h.Set("Content-Type", eventStreamType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	s := stream{w: w, c: http.NewResponseController(w)}
	defer s.free()
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	if err := s.write("retry: %d\n\n", comeBackAfter); err != nil {
		return nil // gone already
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	end := time.NewTimer(streamLast)
	defer end.Stop()
	first := true
	for {
		select {
		case <-r.Context().Done():
			return nil
		case <-a.site.Quit():
			return nil
		case <-end.C:
			return nil
		case <-beat.C:
			if !a.stillIn(r) {
				return nil
			}
			if err := s.write(": \n\n"); err != nil {
				return nil
			}
		case <-l.changed:
			open, changed := l.take()
			if first {
				first = false
				if err := s.event("snapshot", a.statusOf(open, info.Lang)); err != nil {
					return nil
				}
			}
			for _, v := range changed {
				if err := s.event("change", a.statusItem(info.Lang, v)); err != nil {
					return nil
				}
			}
		}
	}
}

// stillIn reports whether the caller may still hear of the workspace: a token
// may have been revoked, a person removed, a session ended or turned to another
// workspace. While nobody can tell, it is still so.
func (a *API) stillIn(r *http.Request) bool {
	asked := web.WithInfo(r, &web.Info{})
	if err := a.site.Authenticate(asked); err != nil {
		return errs.KindOf(err) != errs.Unauthenticated
	}
	now := web.Of(asked.Context())
	return now.Known && now.Actor.WorkspaceID == web.Of(r.Context()).Actor.WorkspaceID && now.Actor.May(workspace.ReadRawData)
}

// stream writes events, each within its time.
type stream struct {
	w http.ResponseWriter
	c *http.ResponseController
}

func (s stream) event(name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.write("event: %s\ndata: %s\n\n", name, b)
}

// free takes the deadline off the connection, which may serve other requests.
func (s stream) free() { _ = s.c.SetWriteDeadline(time.Time{}) }

func (s stream) write(format string, args ...any) error {
	err := s.c.SetWriteDeadline(time.Now().Add(sendWithin))
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := fmt.Fprintf(s.w, format, args...); err != nil {
		return err
	}
	return s.c.Flush()
}
