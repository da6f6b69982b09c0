package workspace

import (
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imreport/internal/errs"
)

func TestIdempotency(t *testing.T) {
	each(t, func(f *fixture) {
		w := f.first.WorkspaceID
		answer := Answer{Status: 201, Headers: map[string]string{"Location": "/x"}, Body: []byte("{\"id\":\"\x00가\"}")}
		o, prior, err := f.Begin(bg, w, "k", "hash")
		f.ok(err)
		if prior != nil {
			f.t.Fatalf("a first POST has a prior answer %+v", prior)
		}
		_, _, err = f.Begin(bg, w, "k", "hash")
		f.refused(err, "workspace.idempotency_running")
		if errs.KindOf(err) != errs.Conflict {
			f.t.Errorf("running is %v", errs.KindOf(err))
		}
		_, _, err = f.Begin(bg, w, "k", "other")
		f.refused(err, "workspace.idempotency_other")
		if errs.KindOf(err) != errs.Invalid {
			f.t.Errorf("another body is %v", errs.KindOf(err))
		}
		f.ok(f.Finish(bg, o, answer))
		_, prior, err = f.Begin(bg, w, "k", "hash")
		f.ok(err)
		if diff := cmp.Diff(&answer, prior); diff != "" {
			f.t.Errorf("repeated answer differs:\n%s", diff)
		}
		f.ok(f.Forget(bg, o)) // too late: it has an answer
		_, prior, err = f.Begin(bg, w, "k", "hash")
		f.ok(err)
		if prior == nil {
			f.t.Error("an answer was forgotten")
		}
		// Another workspace has keys of its own.
		if _, prior, err = f.Begin(bg, "other", "k", "other"); err != nil || prior != nil {
			f.t.Errorf("in another workspace: %v %v", prior, err)
		}
		f.advance(keepAnswers)
		if _, prior, err = f.Begin(bg, w, "k", "other"); err != nil || prior != nil {
			f.t.Errorf("after 24 h: %v %v", prior, err)
		}
	})
}

func TestIdempotencyAfterAFailureAndACrash(t *testing.T) {
	each(t, func(f *fixture) {
		w := f.first.WorkspaceID
		o, _, err := f.Begin(bg, w, "k", "hash")
		f.ok(err)
		f.ok(f.Forget(bg, o))
		dead, prior, err := f.Begin(bg, w, "k", "hash")
		if err != nil || prior != nil {
			f.t.Fatalf("after a failure: %v %v", prior, err)
		}
		// Its process dies. Only the same request may take it over, and what
		// the dead one still says is not heard.
		f.advance(abandonedAfter)
		_, _, err = f.Begin(bg, w, "k", "other")
		f.refused(err, "workspace.idempotency_other")
		second, prior, err := f.Begin(bg, w, "k", "hash")
		if err != nil || prior != nil {
			f.t.Fatalf("after a crash: %v %v", prior, err)
		}
		f.ok(f.Finish(bg, dead, Answer{Status: 500}))
		f.ok(f.Forget(bg, dead))
		f.ok(f.Finish(bg, second, Answer{Status: 201}))
		f.ok(f.Finish(bg, dead, Answer{Status: 500}))
		_, prior, err = f.Begin(bg, w, "k", "hash")
		f.ok(err)
		if prior == nil || prior.Status != 201 {
			f.t.Errorf("the kept answer is %+v", prior)
		}
	})
}

func TestOfManyPostsAtOnceOneIsDone(t *testing.T) {
	each(t, func(f *fixture) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		done, running := 0, 0
		for range 8 {
			wg.Go(func() {
				_, prior, err := f.Begin(bg, f.first.WorkspaceID, "k", "hash")
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil && prior == nil:
					done++
				case errs.Is(err, "workspace.idempotency_running"):
					running++
				}
			})
		}
		wg.Wait()
		if done != 1 || running != 7 {
			f.t.Errorf("%d were let through and %d told to wait, want 1 and 7", done, running)
		}
	})
}
