// Package notify tells people what needs them.
package notify

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"strings"
	"time"

	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/internal/incident"
	"imreport/internal/mail"
	"imreport/internal/workspace"
)

// People are whom incidents are told to. Satisfied by workspace.Service.
type People interface {
	Get(ctx context.Context, workspaceID string) (workspace.Workspace, error)
	Told(ctx context.Context, workspaceID string) ([]workspace.Member, error)
}

// Mails tells by mail.
type Mails struct {
	people People
	sender mail.Sender
	public string
	log    *slog.Logger
}

// ByMail makes a Mails. publicURL is what links are built from; without it
// mails have none. A nil log is silent.
func ByMail(people People, sender mail.Sender, publicURL string, log *slog.Logger) *Mails {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Mails{people: people, sender: sender, public: strings.TrimSuffix(publicURL, "/"), log: log}
}

// Incident sends one mail about i, in the workspace's language, to its owners
// and admins; it is an incident.Notifier. told is false when there is no mail
// server or nobody with an address. An address that is refused for good does
// not keep the others from hearing.
func (n *Mails) Incident(ctx context.Context, i incident.Incident) (told bool, err error) {
	if !mail.Enabled(n.sender) {
		return false, nil
	}
	members, err := n.people.Told(ctx, i.WorkspaceID)
	if err != nil || len(members) == 0 {
		return false, err
	}
	w, err := n.people.Get(ctx, i.WorkspaceID)
	if errs.KindOf(err) == errs.NotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	m, err := n.incidentMail(i, w)
	if err != nil {
		return false, err
	}
	for _, p := range members {
		m.To = append(m.To, p.Email)
	}
	return n.send(ctx, m)
}

// send sends m to all its recipients. A refusal for good is no error: asking
// again would not help.
func (n *Mails) send(ctx context.Context, m mail.Message) (told bool, err error) {
	err = n.sender.Send(ctx, m)
	if err == nil || !mail.Permanent(err) {
		return err == nil, err
	}
	if len(m.To) == 1 {
		n.log.WarnContext(ctx, "mail to a workspace refused", "mail", m.ID, "error", err)
		return false, nil
	}
	return n.eachAlone(ctx, m)
}

// eachAlone sends m to one person at a time, because one of them is refused
// and the others are to hear. A passing fault is an error only when nobody has
// heard yet: nobody hears twice.
func (n *Mails) eachAlone(ctx context.Context, m mail.Message) (told bool, err error) {
	for k, to := range m.To {
		alone := m
		alone.ID, alone.To = fmt.Sprintf("%s.%d", m.ID, k+1), []string{to}
		switch failed := n.sender.Send(ctx, alone); {
		case failed == nil:
			told = true
		case mail.Permanent(failed):
			n.log.WarnContext(ctx, "mail to a workspace refused", "mail", alone.ID, "error", failed)
		default:
			err = errors.Join(err, failed)
		}
	}
	if told && err != nil {
		n.log.WarnContext(ctx, "mail to a workspace not sent to all", "mail", m.ID, "error", err)
		err = nil
	}
	return told, err
}

//go:embed incident.html
var incidentPage string

var incidentHTML = template.Must(template.New("incident").Parse(incidentPage))

// incidentMail writes the mail, without its recipients.
func (n *Mails) incidentMail(i incident.Incident, w workspace.Workspace) (mail.Message, error) {
	l := w.Lang
	zone, err := time.LoadLocation(w.Zone)
	if err != nil {
		zone = time.UTC
	}
	link := ""
	if n.public != "" && i.Link != "" {
		link = n.public + i.Link
	}
	t := func(key string, args ...any) string { return i18n.T(l, "mail.incident."+key, args...) }
	page := struct {
		Lang                            i18n.Lang
		Title, What, Detail, Do, Action string
		Open, Link, Workspace, Since    string
		Foot                            string
	}{
		l, i.Title(l), t("what"), i.Detail(l), t("do"), i.Action(l),
		t("open"), link, t("workspace", w.Name), t("since", i.OpenedAt.In(zone).Format("2006-01-02 15:04 MST")),
		t("foot"),
	}
	var text strings.Builder
	add := func(lines ...string) {
		for _, s := range lines {
			text.WriteString(s + "\n")
		}
		text.WriteString("\n")
	}
	add(page.Title)
	if page.Detail != "" {
		add(page.What, page.Detail)
	}
	if page.Action != "" {
		add(page.Do, page.Action)
	}
	if link != "" {
		add(page.Open + ": " + link)
	}
	add(page.Workspace, page.Since)
	text.WriteString("--\n" + page.Foot + "\n")
	var html bytes.Buffer
	if err := incidentHTML.Execute(&html, page); err != nil {
		return mail.Message{}, fmt.Errorf("alert mail: %w", err)
	}
	return mail.Message{ID: "incident-" + i.ID, Subject: t("subject", page.Title), Text: text.String(), HTML: html.String()}, nil
}
