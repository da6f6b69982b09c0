package api

import (
	"context"
	"time"

	"imreport/internal/i18n"
	"imreport/internal/schedule"
	"imreport/internal/table"
	"imreport/internal/web/rest"
	"imreport/internal/workspace"
)

// Mornings is what the calls need of package schedule.
type Mornings interface {
	Morning(ctx context.Context, workspaceID string, day table.Day, now time.Time) (schedule.Digest, error)
	Coming(ctx context.Context, workspaceID string, now time.Time) ([]schedule.Coming, error)
	Preferences(ctx context.Context, workspaceID string, now time.Time) (schedule.Preferences, error)
	SetPreferences(ctx context.Context, workspaceID string, p schedule.Preferences, now time.Time) error
}

type (
	morningDoc struct {
		Day        table.Day     `json:"day"`
		Done       []morningLine `json:"done"`
		Late       []morningLine `json:"late"`
		NeedsYou   []morningLine `json:"needs_you"`
		Skipped    int           `json:"skipped"`
		Later      int           `json:"later"`
		Incidents  int           `json:"incidents"`
		Coming     []comingDoc   `json:"coming"`
		SavedCalls int64         `json:"saved_calls"`
		Spared     sparedDoc     `json:"spared"`
	}
	morningLine struct {
		RawDataID string     `json:"raw_data_id"`
		Name      string     `json:"name"`
		DueAt     time.Time  `json:"due_at"`
		At        *time.Time `json:"at"`
		Reason    *reason    `json:"reason"`
	}
	comingDoc struct {
		RawDataID string     `json:"raw_data_id"`
		Name      string     `json:"name"`
		DueAt     time.Time  `json:"due_at"`
		StartAt   *time.Time `json:"start_at"`
		ReadyAt   *time.Time `json:"ready_at"`
		Late      bool       `json:"late"`
		Why       *string    `json:"why"`
		Requests  int        `json:"requests"`
		Skipped   *string    `json:"skipped"`
		Help      *string    `json:"help"`
	}
	morningSettingsDoc struct {
		DailyAt      string       `json:"daily_at"`
		SkipWeekends bool         `json:"skip_weekends"`
		IdleDays     int          `json:"idle_days"`
		Holidays     []holidayDoc `json:"holidays"`
		Mail         bool         `json:"mail"`
		Slack        bool         `json:"slack"`
		Webhook      bool         `json:"webhook"`
	}
	holidayDoc struct {
		Day  table.Day `json:"day" required:"true"`
		Name string    `json:"name"`
	}
	// changeMorningBody: what is absent stays. The addresses are never
	// returned; empty ones are removed.
	changeMorningBody struct {
		DailyAt       *string       `json:"daily_at"`
		SkipWeekends  *bool         `json:"skip_weekends"`
		IdleDays      *int          `json:"idle_days"`
		Holidays      *[]holidayDoc `json:"holidays"`
		Mail          *bool         `json:"mail"`
		SlackURL      *string       `json:"slack_url"`
		WebhookURL    *string       `json:"webhook_url"`
		WebhookSecret *string       `json:"webhook_secret"`
	}
)

func (a *API) morningCalls() []rest.Operation {
	const tag = "mornings"
	if a.d.Mornings == nil {
		return nil
	}
	return []rest.Operation{
		rest.Op("GET", "/morning", "getMorning", tag, 200, reads(workspace.ReadRawData), a.getMorning),
		rest.Op("GET", "/morning/settings", "getMorningSettings", tag, 200, reads(workspace.ReadAccounts), a.getMorningSettings),
		rest.Op("POST", "/morning/settings/test", "tryMorningChannels", tag, 200, writes(workspace.WriteWorkspace, "morning.try"), a.tryMorningChannels),
		rest.Op("PUT", "/morning/settings", "changeMorningSettings", tag, 200, writes(workspace.WriteWorkspace, "morning.change"), a.changeMorningSettings),
	}
}

func (a *API) getMorning(ctx context.Context, c *rest.Call, _ *rest.None) (d morningDoc, err error) {
	now := a.now()
	g, err := a.d.Mornings.Morning(ctx, c.Workspace(), table.DayOf(now), now)
	if err != nil {
		return d, err
	}
	d = morningDoc{Day: g.Day, Done: morningLines(c.Lang, g.Done), Late: morningLines(c.Lang, g.Late), NeedsYou: morningLines(c.Lang, g.NeedsYou),
		Skipped: g.Skipped, Later: g.Later, Incidents: g.Incidents, Coming: []comingDoc{}}
	if d.Spared, err = a.spared(ctx, c, ""); err != nil {
		return d, err
	}
	d.SavedCalls = d.Spared.Requests
	all, err := a.d.Mornings.Coming(ctx, c.Workspace(), now)
	for _, x := range all {
		v := comingDoc{RawDataID: x.RawDataID, Name: x.Name, DueAt: x.Due, StartAt: instant(x.Start), ReadyAt: instant(x.Ready),
			Late: x.Late, Requests: x.Calls, Skipped: filled(string(x.Skip))}
		if x.Late {
			help := i18n.T(c.Lang, "morning.late."+string(x.Why))
			v.Why, v.Help = filled(string(x.Why)), &help
		}
		d.Coming = append(d.Coming, v)
	}
	return d, err
}

func morningLines(l i18n.Lang, all []schedule.Line) []morningLine {
	out := make([]morningLine, 0, len(all))
	for _, x := range all {
		out = append(out, morningLine{RawDataID: x.RawDataID, Name: x.Name, DueAt: x.Due, At: instant(x.At), Reason: reasonOf(l, x.Code, "", x.Args)})
	}
	return out
}

func (a *API) getMorningSettings(ctx context.Context, c *rest.Call, _ *rest.None) (morningSettingsDoc, error) {
	p, err := a.d.Mornings.Preferences(ctx, c.Workspace(), a.now())
	return morningSettings(p), err
}

func morningSettings(p schedule.Preferences) morningSettingsDoc {
	d := morningSettingsDoc{DailyAt: p.DailyAt, SkipWeekends: p.SkipWeekends, IdleDays: p.IdleDays, Holidays: []holidayDoc{},
		Mail: p.Mail, Slack: p.SlackURL != "", Webhook: p.WebhookURL != ""}
	for _, h := range p.Holidays {
		d.Holidays = append(d.Holidays, holidayDoc(h))
	}
	return d
}

func (a *API) changeMorningSettings(ctx context.Context, c *rest.Call, in *changeMorningBody) (d morningSettingsDoc, err error) {
	p, err := a.d.Mornings.Preferences(ctx, c.Workspace(), a.now())
	if err != nil {
		return d, err
	}
	change(&p.DailyAt, in.DailyAt)
	change(&p.SkipWeekends, in.SkipWeekends)
	change(&p.IdleDays, in.IdleDays)
	change(&p.Mail, in.Mail)
	change(&p.SlackURL, in.SlackURL)
	change(&p.WebhookURL, in.WebhookURL)
	change(&p.WebhookSecret, in.WebhookSecret)
	if in.Holidays != nil {
		p.Holidays = nil
		for _, h := range *in.Holidays {
			p.Holidays = append(p.Holidays, schedule.Holiday(h))
		}
	}
	if err := a.d.Mornings.SetPreferences(ctx, c.Workspace(), p, a.now()); err != nil {
		return d, err
	}
	return a.getMorningSettings(ctx, c, nil)
}

type (
	trialsDoc struct {
		Channels []trialDoc `json:"channels"`
	}
	trialDoc struct {
		Channel string `json:"channel"`
		Sent    bool   `json:"sent"`
		Text    string `json:"text"`
	}
)

func (a *API) tryMorningChannels(ctx context.Context, c *rest.Call, _ *rest.None) (d trialsDoc, err error) {
	all, err := a.d.TryChannels(ctx, c.Workspace())
	d.Channels = make([]trialDoc, 0, len(all))
	for _, t := range all {
		d.Channels = append(d.Channels, trialDoc{t.Channel, t.Sent, TrialText(c.Lang, t)})
	}
	return d, err
}

// TrialText is how a test message went, for people.
func TrialText(l i18n.Lang, t schedule.Trial) string {
	channel := i18n.T(l, "morning."+t.Channel+".name")
	if t.Sent {
		return i18n.T(l, "morning.trial.sent", channel)
	}
	return i18n.T(l, "morning.trial."+string(t.Why), channel, t.Status)
}

// change sets v where something was sent.
func change[T any](v *T, sent *T) {
	if sent != nil {
		*v = *sent
	}
}
