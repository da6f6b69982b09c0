package api

import (
	"context"

	"imreport/internal/run"
	"imreport/internal/web/rest"
	"imreport/internal/workspace"
)

func (a *API) runCalls() []rest.Operation {
	const tag = "runs"
	return []rest.Operation{
		rest.Op("GET", "/runs/{id}", "getRun", tag, 200, reads(workspace.ReadRawData), a.getRun),
		rest.Op("POST", "/runs/{id}/cancel", "cancelRun", tag, 200, writes(workspace.WriteRawData, "run.cancel"), a.cancelRun).
			Or(202).Fails(409, "ended"),
		rest.Op("POST", "/runs/{id}/retry", "retryRun", tag, 202, creates(workspace.WriteRawData, "run.retry"), a.retryRun).
			Fails(409, "open", "succeeded"),
	}
}

func (a *API) getRun(ctx context.Context, c *rest.Call, _ *rest.None) (runDoc, error) {
	v, err := a.d.Runs.Get(ctx, c.Workspace(), c.ID())
	if err != nil {
		return runDoc{}, err
	}
	return a.runDoc(c.Lang, v), nil
}

// cancelRun answers 200 with a run that has ended, 202 with one whose worker
// has to hear of it first.
func (a *API) cancelRun(ctx context.Context, c *rest.Call, _ *rest.None) (d acceptedDoc, err error) {
	r, err := a.d.Runs.Cancel(ctx, c.Workspace(), c.ID())
	if err != nil {
		return d, err
	}
	c.Subject(r.ID, "raw data "+r.RawDataID)
	if r.State.Open() {
		c.Status = 202
	}
	// As it was cancelled, not as it may have become since.
	return acceptedDoc{Accepted: true, Run: a.runDoc(c.Lang, run.View{Run: r})}, nil
}

func (a *API) retryRun(ctx context.Context, c *rest.Call, _ *rest.None) (d acceptedDoc, err error) {
	r, err := a.d.Runs.Retry(ctx, c.Workspace(), c.ID())
	if err != nil {
		return d, err
	}
	c.Subject(r.ID, "raw data "+r.RawDataID)
	return a.accepted(ctx, c, r), nil
}
