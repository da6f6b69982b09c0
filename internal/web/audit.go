package web

import (
	"context"
	"net/http"
)

// Subject names what a request was done to, for the audit log: the id of the
// thing, and a short text for people, never a secret.
func Subject(ctx context.Context, id, detail string) {
	i := Of(ctx)
	i.subject, i.detail = id, detail
}

// OnlyLooked says that a request of a changing route has changed nothing, such
// as a form that was sent to see what it would cost: it leaves no line.
func OnlyLooked(ctx context.Context) { Of(ctx).looked = true }

// audited writes a line to the audit log when h has done its work, before its
// answer is sent: who reads the answer finds the line. What was refused leaves
// none.
func (s *Site) audited(a Access, h Handler) Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		aw := &auditWriter{ResponseWriter: w, note: func() { s.record(r, a.Action) }}
		err := h(aw, r)
		if err == nil {
			aw.done(http.StatusOK) // a handler that wrote nothing answers 200
		}
		return err
	}
}

// record adds the line. The work is done and cannot be taken back, so a
// failure goes to the log with all that the line would have said.
func (s *Site) record(r *http.Request, action string) {
	i := Of(r.Context())
	if !i.Known || i.looked {
		return
	}
	// The caller may have gone; what was done was done.
	err := s.d.People.Record(context.WithoutCancel(r.Context()), nil, i.Actor, action, i.subject, i.detail)
	if err != nil {
		s.d.Log.Error("the audit log misses a line", "workspace", i.Actor.WorkspaceID, "person", i.Actor.PersonID,
			"action", action, "subject", i.subject, "error", err)
	}
}

// auditWriter calls note once, before a good answer begins.
type auditWriter struct {
	http.ResponseWriter
	note func()
}

// Unwrap lets http.ResponseController reach what is below.
func (w *auditWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *auditWriter) done(status int) {
	if w.note == nil || status < http.StatusOK {
		return
	}
	if status < http.StatusBadRequest {
		w.note()
	}
	w.note = nil
}

func (w *auditWriter) WriteHeader(status int) {
	w.done(status)
	w.ResponseWriter.WriteHeader(status)
}

func (w *auditWriter) Write(b []byte) (int, error) {
	w.done(http.StatusOK)
	return w.ResponseWriter.Write(b)
}
