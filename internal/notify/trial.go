package notify

import (
	"context"
	"encoding/json"
	"errors"
	"sync"

	"imreport/internal/db"
	"imreport/internal/i18n"
	"imreport/internal/schedule"
)

// trialEvent is the event of a webhook that only shows that it arrives.
const trialEvent = "test"

// Try sends one test message to each of a workspace's Slack and webhook, once
// and without trying again, and says how it went. A workspace without either
// has no trials.
func (n *Digests) Try(ctx context.Context, workspaceID string) ([]schedule.Trial, error) {
	c, err := n.channels(ctx, workspaceID)
	if err != nil {
		return nil, err
	}
	w, err := n.mails.people.Get(ctx, workspaceID)
	if err != nil {
		return nil, err
	}
	text := i18n.T(w.Lang, "mail.digest.trial", w.Name)
	signed, err := json.Marshal(struct {
		Event       string `json:"event"`
		WorkspaceID string `json:"workspace_id"`
		Text        string `json:"text"`
	}{trialEvent, workspaceID, text})
	if err != nil {
		return nil, err
	}
	trials := []schedule.Trial{}
	var send []func() error
	if c.SlackURL != "" {
		trials = append(trials, schedule.Trial{Channel: "slack"})
		send = append(send, func() error { return n.once(ctx, hook{url: c.SlackURL}, slackBody(text)) })
	}
	if c.WebhookURL != "" {
		trials = append(trials, schedule.Trial{Channel: "webhook"})
		h := hook{c.WebhookURL, c.WebhookSecret, trialEvent, "test." + db.NewID()}
		send = append(send, func() error { return n.once(ctx, h, signed) })
	}
	var wg sync.WaitGroup
	for i := range trials {
		wg.Go(func() { outcome(&trials[i], send[i]()) })
	}
	wg.Wait()
	return trials, nil
}

// outcome notes in t how sending went.
func outcome(t *schedule.Trial, err error) {
	var a *answered
	switch {
	case err == nil:
		t.Sent = true
	case errors.Is(err, errPrivate):
		t.Why = schedule.NotPublic
	case errors.As(err, &a):
		t.Why, t.Status = schedule.NotTaken, a.status
	default:
		t.Why = schedule.Unreachable
	}
}
