package store

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/internal/review"
	"imreport/internal/web"
	"imreport/internal/workspace"
)

func (s *Store) mountMessages() {
	s.site.Page("GET /shops/{shop}/messages", looks(), s.messages)
	s.site.Page("GET /shops/{shop}/messages/{id}", looks(), s.message)
	s.site.Page("POST /shops/{shop}/messages/{id}/send-now", does(workspace.Editor, "message.send_now"), s.sendNow)
	s.site.Page("POST /shops/{shop}/messages/{id}/resend", does(workspace.Editor, "message.resend"), s.resend)
	s.site.Page("POST /shops/{shop}/messages/{id}/cancel", does(workspace.Editor, "message.cancel"), s.cancel)
	s.site.Page("GET /shops/{shop}/bulk", web.Access{Role: workspace.Editor}, s.bulkPreview)
	s.site.Page("POST /shops/{shop}/bulk", does(workspace.Editor, "message.bulk"), s.bulkStart)
	s.site.Page("GET /shops/{shop}/bulk/{id}", looks(), s.bulk)
	s.site.Page("POST /shops/{shop}/bulk/{id}/stop", does(workspace.Editor, "message.bulk_stop"), s.bulkStop)
}

// messageRow is a message as pages show it.
type messageRow struct {
	review.Message
	Word   string
	Class  string // colour of the state
	Why    string
	Do     string // what would make it go
	May    map[string]bool
	Folder string // of the pages about it
}

var classes = map[review.State]string{review.Scheduled: "waiting", review.Queued: "active", review.Sending: "active", review.Dot: "active",
	review.Sent: "done", review.Unknown: "attention", review.Skipped: "off", review.Failed: "failed", review.Cancelled: "off"}

func rowOf(l i18n.Lang, m review.Message) messageRow {
	may := map[string]bool{}
	switch m.State {
	case review.Scheduled, review.Queued:
		may["send"], may["cancel"] = true, true
	case review.Failed:
		may["send"], may["cancel"] = true, true
	case review.Cancelled:
		may["send"] = true
	case review.Skipped:
		may["resend"], may["cancel"] = true, true
	case review.Sent, review.Unknown:
		may["resend"] = true
	}
	return messageRow{Message: m, Word: i18n.T(l, "review.state."+string(m.State)), Class: classes[m.State], Why: m.Text(l), Do: m.Action(l), May: may,
		Folder: "/shops/" + m.ShopID + "/messages/" + m.ID}
}

type messagesView struct {
	Rows   []messageRow
	States []review.State
	State  string
	Query  string
	Counts map[string]int
	Next   string
	Bulks  []review.Bulk
	active bool // something is under way
}

func (v messagesView) moving() bool { return v.active || len(v.Bulks) > 0 }

func (v messageView) moving() bool { return v.State.InFlight() || v.State == review.Queued }

// bulkRow is a bulk on its page.
type bulkRow struct{ review.Bulk }

func (v bulkRow) moving() bool { return v.State == "running" }

func filterOf(q url.Values) review.Filter {
	f := review.Filter{Search: q.Get("q")}
	if st := q.Get("state"); st != "" {
		for part := range strings.SplitSeq(st, ",") {
			f.States = append(f.States, review.State(part))
		}
	}
	return f
}

func (s *Store) messages(w http.ResponseWriter, r *http.Request) error {
	sh, err := s.shopOf(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	const size = 50
	all, err := s.d.Reviews.List(r.Context(), sh.ID, filterOf(q), q.Get("after"), size+1)
	if err != nil {
		return err
	}
	v := messagesView{States: review.States, State: q.Get("state"), Query: q.Get("q")}
	if len(all) > size {
		all = all[:size]
		v.Next = "/shops/" + sh.ID + "/messages?" + url.Values{"q": {v.Query}, "state": {v.State}, "after": {all[size-1].ID}}.Encode()
	}
	l := web.Of(r.Context()).Lang
	for _, m := range all {
		v.Rows = append(v.Rows, rowOf(l, m))
		v.active = v.active || m.State.InFlight() || m.State == review.Queued
	}
	if v.Counts, err = s.counts(r.Context(), sh.ID); err != nil {
		return err
	}
	bulks, err := s.d.Reviews.Bulks(r.Context(), sh.ID, 5)
	if err != nil {
		return err
	}
	for _, b := range bulks {
		if b.State == "running" {
			v.Bulks = append(v.Bulks, b)
		}
	}
	return s.render(w, r, http.StatusOK, "messages", "messages", sh, nil, v)
}

type messageView struct {
	messageRow
	Log []logRow
}

type logRow struct {
	review.LogRow
	Word string
	Why  string
}

func (s *Store) message(w http.ResponseWriter, r *http.Request) error {
	sh, err := s.shopOf(r)
	if err != nil {
		return err
	}
	m, err := s.d.Reviews.Get(r.Context(), sh.ID, r.PathValue("id"))
	if err != nil {
		return err
	}
	log, err := s.d.Reviews.Log(r.Context(), sh.ID, m.ID, 0, 500)
	if err != nil {
		return err
	}
	l := web.Of(r.Context()).Lang
	v := messageView{messageRow: rowOf(l, m)}
	for i := len(log) - 1; i >= 0; i-- {
		x := log[i]
		v.Log = append(v.Log, logRow{x, i18n.T(l, "review.state."+string(x.State)), x.Reason.Text(l, x.Args)})
	}
	return s.render(w, r, http.StatusOK, "message", "messages", sh, nil, v)
}

// told is an error of an action without what only programs read.
func told(err error) error {
	e := errs.As(err)
	if e == nil || e.Extra == nil {
		return err
	}
	e.Extra = nil
	return e
}

func (s *Store) sendNow(w http.ResponseWriter, r *http.Request) error {
	sh, err := s.shopOf(r)
	if err != nil {
		return err
	}
	m, err := s.d.Reviews.SendNow(r.Context(), sh.ID, r.PathValue("id"), actor(r))
	if err != nil {
		return told(err)
	}
	web.Subject(r.Context(), m.ID, m.OrderName)
	return to(w, r, back(r, "/shops/"+sh.ID+"/messages/"+m.ID), "message_queued")
}

// back is the page that a form came from, or another.
func back(r *http.Request, other string) string {
	if p := r.PostForm.Get("back"); p != "" {
		return web.LocalPath(p)
	}
	return other
}

func (s *Store) resend(w http.ResponseWriter, r *http.Request) error {
	sh, err := s.shopOf(r)
	if err != nil {
		return err
	}
	why := r.PostForm.Get("why")
	m, err := s.d.Reviews.Resend(r.Context(), sh.ID, r.PathValue("id"), actor(r), why)
	if err != nil {
		return told(err)
	}
	web.Subject(r.Context(), m.ID, why)
	return to(w, r, "/shops/"+sh.ID+"/messages/"+m.ID, "message_queued")
}

func (s *Store) cancel(w http.ResponseWriter, r *http.Request) error {
	sh, err := s.shopOf(r)
	if err != nil {
		return err
	}
	m, err := s.d.Reviews.Cancel(r.Context(), sh.ID, r.PathValue("id"), actor(r))
	if err != nil {
		return told(err)
	}
	web.Subject(r.Context(), m.ID, m.OrderName)
	return to(w, r, back(r, "/shops/"+sh.ID+"/messages/"+m.ID), "message_cancelled")
}

type bulkView struct {
	Action    string
	State     string
	Query     string
	PerMinute int
	Total     int
	Minutes   int
}

// bulkPreview says what an action on all that a filter picks would touch.
func (s *Store) bulkPreview(w http.ResponseWriter, r *http.Request) error {
	return s.showBulk(w, r, http.StatusOK, r.URL.Query(), nil)
}

func (s *Store) showBulk(w http.ResponseWriter, r *http.Request, status int, q url.Values, wrong map[string]string) error {
	sh, err := s.shopOf(r)
	if err != nil {
		return err
	}
	v := bulkView{Action: q.Get("action"), State: q.Get("state"), Query: q.Get("q"), PerMinute: 60}
	if n, err := strconv.Atoi(q.Get("per_minute")); err == nil && n > 0 {
		v.PerMinute = n
	}
	v.Total, err = s.d.Reviews.BulkPreview(r.Context(), sh.ID, review.Action(v.Action), filterOf(q))
	if more := words(r, err); more != nil {
		wrong, status = more, http.StatusUnprocessableEntity
	} else if err != nil {
		return err
	}
	v.Minutes = (v.Total + v.PerMinute - 1) / v.PerMinute
	return s.render(w, r, status, "bulk_new", "messages", sh, wrong, v)
}

func (s *Store) bulkStart(w http.ResponseWriter, r *http.Request) error {
	sh, err := s.shopOf(r)
	if err != nil {
		return err
	}
	f := r.PostForm
	n, _ := strconv.Atoi(f.Get("per_minute")) // 0 is the usual rate
	b, err := s.d.Reviews.StartBulk(r.Context(), sh.ID, review.Action(f.Get("action")), filterOf(f), n, actor(r))
	if wrong := words(r, err); wrong != nil {
		return s.showBulk(w, r, http.StatusUnprocessableEntity, f, wrong)
	}
	if err != nil {
		return err
	}
	web.Subject(r.Context(), b.ID, string(b.Action))
	return to(w, r, "/shops/"+sh.ID+"/bulk/"+b.ID, "")
}

func (s *Store) bulk(w http.ResponseWriter, r *http.Request) error {
	sh, err := s.shopOf(r)
	if err != nil {
		return err
	}
	b, err := s.d.Reviews.Bulk(r.Context(), sh.ID, r.PathValue("id"))
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "bulk", "messages", sh, nil, bulkRow{b})
}

func (s *Store) bulkStop(w http.ResponseWriter, r *http.Request) error {
	sh, err := s.shopOf(r)
	if err != nil {
		return err
	}
	if _, err := s.d.Reviews.StopBulk(r.Context(), sh.ID, r.PathValue("id")); err != nil {
		return err
	}
	web.Subject(r.Context(), r.PathValue("id"), "")
	return to(w, r, "/shops/"+sh.ID+"/bulk/"+r.PathValue("id"), "bulk_stopped")
}
