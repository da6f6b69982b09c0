package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"imreport/internal/errs"
	"imreport/internal/workspace"
)

const (
	idempotencyHeader = "Idempotency-Key"
	// replayedHeader marks the answer of a repetition.
	replayedHeader = "Idempotency-Replayed"
	// idempotencyMax bounds a key; UUIDs and hashes are far shorter.
	idempotencyMax = 255 // bytes
	// onceWithin bounds the work under a key. It stays below the time after
	// which package workspace takes a POST without an answer for one whose
	// process died.
	onceWithin = 90 * time.Second
	// spoolMax is how much of a body is kept in memory while its hash is made.
	spoolMax = 1 << 20 // bytes
)

// once answers a POST that carries an Idempotency-Key: the work is done for
// the first, all others are given its answer. An error answer is not kept:
// nothing was done then, and the same key may try again.
//
// The work goes on when the caller leaves, because the caller will come back
// with the same key.
func (s *Site) once(w http.ResponseWriter, r *http.Request, a Access, h Handler) error {
	key, err := idempotencyKey(r)
	if err != nil {
		return err
	}
	hash, done, err := spool(r)
	if err != nil {
		return err
	}
	defer done()
	ctx, stop := context.WithTimeout(context.WithoutCancel(r.Context()), onceWithin)
	defer stop()
	actor := Of(ctx).Actor
	claim, prior, err := s.d.People.Begin(ctx, actor.WorkspaceID, key, hash)
	if err != nil {
		return err
	}
	if prior != nil {
		return replay(w, a, prior)
	}
	rec := &answerRecorder{header: w.Header()}
	settled := false
	defer func() {
		if !settled { // an error or a panic: the key is free again
			if err := s.d.People.Forget(context.WithoutCancel(ctx), claim); err != nil {
				s.d.Log.Error("an idempotency key stays claimed for two minutes", "error", err)
			}
		}
	}()
	if err := h(rec, r.WithContext(ctx)); err != nil {
		return err
	}
	if rec.status < http.StatusBadRequest {
		if err := s.d.People.Finish(context.WithoutCancel(ctx), claim, rec.answer(a)); err != nil {
			// What was done stays done; only a repetition is not recognised.
			s.d.Log.Error("the answer under an idempotency key was not kept", "error", err)
		}
		settled = true
	}
	return rec.send(w)
}

func idempotencyKey(r *http.Request) (string, error) {
	key := r.Header.Get(idempotencyHeader)
	bad := len(key) > idempotencyMax
	for _, c := range []byte(key) {
		bad = bad || c <= ' ' || c > '~'
	}
	if bad {
		return "", errs.InvalidField(idempotencyHeader, "web.idempotency_key_invalid", idempotencyMax)
	}
	return key, nil
}

// spool reads the body, lets the handler read it again, and hashes what makes
// two requests the same: method, address, kind and body. Large bodies go to a
// temporary file; done removes it.
func spool(r *http.Request) (hash string, done func(), err error) {
	sum := sha256.New()
	_, _ = fmt.Fprintf(sum, "%s %s\n%s\n", r.Method, r.URL.RequestURI(), r.Header.Get("Content-Type")) // a hash takes everything
	done = func() {}
	if r.Body == nil || r.Body == http.NoBody {
		return hex.EncodeToString(sum.Sum(nil)), done, nil
	}
	var head bytes.Buffer
	body := io.TeeReader(r.Body, sum)
	n, err := io.CopyN(&head, body, spoolMax)
	if err != nil && err != io.EOF {
		return "", done, unreadable(err)
	}
	if n < spoolMax {
		r.Body = io.NopCloser(&head)
		return hex.EncodeToString(sum.Sum(nil)), done, nil
	}
	f, err := os.CreateTemp("", "imreport-body-")
	if err != nil {
		return "", done, fmt.Errorf("spool a body: %w", err)
	}
	done = func() { _ = f.Close(); _ = os.Remove(f.Name()) }
	if _, err = io.Copy(f, body); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		done()
		return "", func() {}, unreadable(err)
	}
	r.Body = io.NopCloser(io.MultiReader(&head, f))
	return hex.EncodeToString(sum.Sum(nil)), done, nil
}

// unreadable says that a body broke off, unless it was too large.
func unreadable(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return err
	}
	return errs.E(errs.Malformed, "web.malformed", err)
}

// keptHeaders are those of an answer that a repetition is given too.
var keptHeaders = []string{"Content-Type", "Content-Language", "Location", "ETag", "Retry-After"}

// answerRecorder holds an answer back until it is kept.
type answerRecorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answerRecorder) Header() http.Header { return a.header }

func (a *answerRecorder) WriteHeader(status int) {
	if a.status == 0 && status >= http.StatusOK {
		a.status = status
	}
}

func (a *answerRecorder) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}

// answer is what is kept: of one with a secret, all but the secret's document.
func (a *answerRecorder) answer(access Access) workspace.Answer {
	k := workspace.Answer{Status: a.status, Headers: map[string]string{}}
	if a.status == 0 {
		k.Status = http.StatusOK
	}
	for _, name := range keptHeaders {
		if v := a.header.Get(name); v != "" {
			k.Headers[name] = v
		}
	}
	if !access.Secret {
		k.Body = a.body.Bytes()
	}
	return k
}

func (a *answerRecorder) send(w http.ResponseWriter) error {
	if a.status != 0 {
		w.WriteHeader(a.status)
	}
	_, err := w.Write(a.body.Bytes())
	return err
}

// replay gives a repetition the answer that the first one had. What holds a
// secret is shown once only: a repetition hears where the thing is.
func replay(w http.ResponseWriter, a Access, prior *workspace.Answer) error {
	if a.Secret {
		e := errs.E(errs.Conflict, "web.shown_once", nil)
		if at := prior.Headers["Location"]; at != "" {
			e = e.With("location", at)
		}
		return e
	}
	for name, value := range prior.Headers {
		w.Header().Set(name, value)
	}
	w.Header().Set(replayedHeader, "true")
	w.WriteHeader(prior.Status)
	_, err := w.Write(prior.Body)
	return err
}
