package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"

	"imreport/internal/i18n"
	"imreport/internal/run"
	"imreport/internal/web/rest"
	"imreport/internal/workspace"
)

// How long clients wait before they ask again, in seconds: while something is
// open, and while nothing is.
const (
	pollOpen = 10
	pollIdle = 60
)

func (a *API) statusCalls() []rest.Operation {
	const tag = "status"
	return []rest.Operation{
		rest.Op("GET", "/status", "getStatus", tag, 200, reads(workspace.ReadRawData), a.getStatus).Or(304),
		rest.Raw("GET", "/events", "getEvents", tag, eventStreamType, reads(workspace.ReadRawData), a.getEvents).Fails(429, "too_many_streams"),
	}
}

func (a *API) status(ctx context.Context, workspaceID string, l i18n.Lang) (statusDoc, error) {
	open, err := a.d.Runs.Open(ctx, workspaceID)
	if err != nil {
		return statusDoc{}, err
	}
	return a.statusOf(open, l), nil
}

func (a *API) statusOf(open []run.View, l i18n.Lang) statusDoc {
	d := statusDoc{Items: make([]statusItem, 0, len(open)), PollAfterS: pollIdle}
	for _, v := range open {
		d.Items = append(d.Items, a.statusItem(l, v))
	}
	if len(open) > 0 {
		d.PollAfterS = pollOpen
	}
	return d
}

func (a *API) getStatus(ctx context.Context, c *rest.Call, _ *rest.None) (statusDoc, error) {
	d, err := a.status(ctx, c.Workspace(), c.Lang)
	if err != nil {
		return d, err
	}
	tag, err := etag(d)
	if err != nil {
		return d, err
	}
	c.W.Header().Set("ETag", tag)
	c.W.Header().Set("Cache-Control", "private, no-cache")
	if matches(c.R, tag) {
		c.Status = http.StatusNotModified
	}
	return d, nil
}

// etag marks what a document says; weak, because compressing may change its
// bytes.
func etag(v any) (string, error) {
	b, err := json.Marshal(v)
	sum := sha256.Sum256(b)
	return `W/"` + hex.EncodeToString(sum[:12]) + `"`, err
}

// matches reports whether the caller has the answer with this mark already.
func matches(r *http.Request, tag string) bool {
	for have := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
		have = strings.TrimSpace(have)
		if have == "*" || strings.TrimPrefix(have, "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}
