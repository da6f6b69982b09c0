package ui

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/internal/run"
	"imreport/internal/schedule"
	"imreport/internal/table"
	"imreport/internal/web"
	"imreport/internal/web/api"
	"imreport/internal/web/page"
	"imreport/internal/workspace"
)

func (u *UI) mountMorning() {
	if u.d.Mornings == nil {
		return
	}
	u.site.Page("GET /morning", may(workspace.ReadRawData), u.morningPage)
	u.site.Page("POST /morning", does(workspace.WriteWorkspace, "morning.change"), u.saveMorning)
	u.site.Page("GET /morning/test", may(workspace.ReadRawData), func(w http.ResponseWriter, r *http.Request) error {
		return to(w, r, "/morning", "") // its address, called anew
	})
	u.site.Page("POST /morning/test", does(workspace.WriteWorkspace, "morning.try"), u.tryMorning)
}

// morningPage is what became of this morning, what comes, and how the
// workspace wants it.
type morningPage struct {
	Today    schedule.Digest
	Sections []morningSection
	Coming   []schedule.Coming
	More     int            // coming refreshes that are not shown
	Why      []schedule.Why // why some of them will be late
	Spared   api.Spared
	CanWrite bool
	Form     morningForm
	Wrong    mistakes
	Trials   []trial // how test messages just went
}

type trial struct {
	Sent bool
	Text string
}

type morningSection struct {
	Title, State string
	Lines        []morningLine
	More         int
}

type morningLine struct {
	schedule.Line
	Reason string
}

// morningForm is the form as it was sent, or as it stands.
type morningForm struct {
	DailyAt, IdleDays, Holidays string
	SlackURL, WebhookURL        string // as just typed; what is kept is not shown
	SkipWeekends, Mail          bool
	HasSlack, HasWebhook        bool
}

// morningShow bounds each list of the page.
const morningShow = 50

func (u *UI) morning(r *http.Request) (p morningPage, err error) {
	info, now := web.Of(r.Context()), u.site.Now()
	ws := info.Actor.WorkspaceID
	p.CanWrite = info.Actor.May(workspace.WriteWorkspace)
	if p.Today, err = u.d.Mornings.Morning(r.Context(), ws, table.DayOf(now), now); err != nil {
		return p, err
	}
	// Who waits for Naver has a colour of their own everywhere.
	var late, preparing []schedule.Line
	for _, l := range p.Today.Late {
		if l.Code == run.CodePlatformPreparing {
			preparing = append(preparing, l)
		} else {
			late = append(late, l)
		}
	}
	for _, s := range []struct {
		key, state string
		lines      []schedule.Line
	}{{"needs_you", "failed", p.Today.NeedsYou}, {"late", "attention", late}, {"preparing", "preparing", preparing}, {"done", "done", p.Today.Done}} {
		if len(s.lines) == 0 {
			continue
		}
		v := morningSection{Title: i18n.T(info.Lang, "morning."+s.key, len(s.lines)), State: s.state}
		for i, l := range s.lines {
			if i == morningShow {
				v.More = len(s.lines) - i
				break
			}
			line := morningLine{Line: l}
			if l.Code != "" {
				line.Reason = i18n.T(info.Lang, "reason."+string(l.Code), l.Args...)
			}
			v.Lines = append(v.Lines, line)
		}
		p.Sections = append(p.Sections, v)
	}
	if p.Coming, err = u.d.Mornings.Coming(r.Context(), ws, now); err != nil {
		return p, err
	}
	for _, c := range p.Coming {
		if c.Late && c.Skip == "" && !slices.Contains(p.Why, c.Why) {
			p.Why = append(p.Why, c.Why)
		}
	}
	if len(p.Coming) > morningShow {
		p.Coming, p.More = p.Coming[:morningShow], len(p.Coming)-morningShow
	}
	if u.d.Spared != nil {
		if p.Spared, err = u.d.Spared(r.Context(), ws, ""); err != nil {
			return p, err
		}
	}
	if p.CanWrite {
		set, err := u.d.Mornings.Preferences(r.Context(), ws, now)
		if err != nil {
			return p, err
		}
		p.Form = morningForm{DailyAt: set.DailyAt, IdleDays: strconv.Itoa(set.IdleDays), SkipWeekends: set.SkipWeekends, Mail: set.Mail,
			HasSlack: set.SlackURL != "", HasWebhook: set.WebhookURL != ""}
		for _, h := range set.Holidays {
			p.Form.Holidays += strings.TrimSpace(h.Day.String()+" "+h.Name) + "\n"
		}
	}
	return p, nil
}

func (u *UI) showMorning(w http.ResponseWriter, r *http.Request, status int, p morningPage) error {
	return u.pages.Render(w, r, status, "morning", page.Page{
		Title: i18n.T(web.Of(r.Context()).Lang, "morning.nav"), Section: "morning", Data: p,
	})
}

func (u *UI) morningPage(w http.ResponseWriter, r *http.Request) error {
	p, err := u.morning(r)
	if err != nil {
		return err
	}
	return u.showMorning(w, r, http.StatusOK, p)
}

// keep is what a write-only field becomes: empty leaves it, - removes it.
func keep(have, sent string) string {
	switch sent = strings.TrimSpace(sent); sent {
	case "":
		return have
	case "-":
		return ""
	}
	return sent
}

func (u *UI) saveMorning(w http.ResponseWriter, r *http.Request) error {
	info, now := web.Of(r.Context()), u.site.Now()
	set, err := u.d.Mornings.Preferences(r.Context(), info.Actor.WorkspaceID, now)
	if err != nil {
		return err
	}
	v := func(name string) string { return strings.TrimSpace(r.PostFormValue(name)) }
	set.DailyAt, set.SkipWeekends, set.Mail = v("daily_at"), v("skip_weekends") != "", v("mail") != ""
	set.SlackURL, set.WebhookURL = keep(set.SlackURL, v("slack_url")), keep(set.WebhookURL, v("webhook_url"))
	set.WebhookSecret = keep(set.WebhookSecret, v("webhook_secret"))
	if set.IdleDays, err = strconv.Atoi(v("idle_days")); err != nil {
		set.IdleDays = -1 // the service says what is wrong
	}
	var unreadable []errs.Field
	set.Holidays, unreadable = holidays(r.PostFormValue("holidays"))
	if len(unreadable) > 0 { // all that is wrong is said at once
		err = errs.InvalidFields(append(set.Wrong(), unreadable...)...)
	} else {
		err = u.d.Mornings.SetPreferences(r.Context(), info.Actor.WorkspaceID, set, now)
	}
	if err == nil {
		return to(w, r, "/morning", "saved")
	}
	wrong, ok := mistakesOf(info.Lang, err)
	if !ok {
		return err
	}
	p, err := u.morning(r)
	if err != nil {
		return err
	}
	p.Wrong = wrong
	p.Form.DailyAt, p.Form.IdleDays, p.Form.Holidays = v("daily_at"), v("idle_days"), r.PostFormValue("holidays")
	p.Form.SlackURL, p.Form.WebhookURL = v("slack_url"), v("webhook_url")
	p.Form.SkipWeekends, p.Form.Mail = set.SkipWeekends, set.Mail
	return u.showMorning(w, r, http.StatusUnprocessableEntity, p)
}

// tryMorning sends a test message to the channels that are kept, and says on
// the page how that went.
func (u *UI) tryMorning(w http.ResponseWriter, r *http.Request) error {
	info := web.Of(r.Context())
	all, err := u.d.TryChannels(r.Context(), info.Actor.WorkspaceID)
	if err != nil {
		return err
	}
	p, err := u.morning(r)
	if err != nil {
		return err
	}
	for _, t := range all {
		p.Trials = append(p.Trials, trial{t.Sent, api.TrialText(info.Lang, t)})
	}
	return u.showMorning(w, r, http.StatusOK, p)
}

// holidays reads lines of a day and its name.
func holidays(text string) (out []schedule.Holiday, wrong []errs.Field) {
	n := 0
	for line := range strings.Lines(text) {
		n++
		day, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		if day == "" {
			continue
		}
		d, err := table.ParseDay(day)
		if err != nil {
			return nil, []errs.Field{{Name: "holidays", Key: "morning.holidays.unreadable", Args: []any{n}}}
		}
		out = append(out, schedule.Holiday{Day: d, Name: strings.TrimSpace(name)})
	}
	return out, nil
}

// usualTime is when the workspace's raw data are usually to be ready.
func (u *UI) usualTime(r *http.Request) string {
	if u.d.Mornings != nil {
		set, err := u.d.Mornings.Preferences(r.Context(), web.Of(r.Context()).Actor.WorkspaceID, u.site.Now())
		if err == nil {
			return set.DailyAt
		}
		u.site.Log().WarnContext(r.Context(), "the usual time could not be read", "error", err)
	}
	return "07:30"
}
