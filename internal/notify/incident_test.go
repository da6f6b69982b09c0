package notify

import (
	"context"
	"errors"
	"flag"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/internal/incident"
	"imreport/internal/mail"
	"imreport/internal/workspace"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var bg = context.Background()

// people of one workspace.
type people struct {
	lang    i18n.Lang
	members []workspace.Member
	gone    bool
}

func (p people) Get(_ context.Context, id string) (workspace.Workspace, error) {
	if p.gone {
		return workspace.Workspace{}, errs.E(errs.NotFound, "workspace.not_found", nil)
	}
	return workspace.Workspace{ID: id, Name: "<마케팅> 본부", Zone: "Asia/Seoul", Lang: p.lang}, nil
}

func (p people) Told(context.Context, string) ([]workspace.Member, error) { return p.members, nil }

func members(emails ...string) (all []workspace.Member) {
	for _, e := range emails {
		all = append(all, workspace.Member{Email: e})
	}
	return all
}

// box takes mails; refuse says which addresses it does not take.
type box struct {
	got    []mail.Message
	refuse map[string]error
}

func (b *box) Send(_ context.Context, m mail.Message) error {
	for _, to := range m.To {
		if err := b.refuse[to]; err != nil {
			return err
		}
	}
	b.got = append(b.got, m)
	return nil
}

func (b *box) heard() (all []string) {
	for _, m := range b.got {
		all = append(all, m.To...)
	}
	return all
}

var dead = incident.Incident{
	ID: "0199", WorkspaceID: "w", Kind: incident.KeyInvalid, Subject: "k", Reason: "secret_invalid", Args: []string{"본사 <키>", "0100…beef"}, Link: "/api-keys/k",
	OpenedAt: time.Date(2026, 11, 23, 22, 30, 0, 0, time.UTC),
}

func TestTheMail(t *testing.T) {
	for _, l := range i18n.Langs {
		b := &box{}
		told, err := ByMail(people{lang: l, members: members("a@example.kr", "b@example.kr")}, b, "https://reports.example.kr/", nil).Incident(bg, dead)
		if err != nil || !told || len(b.got) != 1 {
			t.Fatalf("told %v, %v, %d mails", told, err, len(b.got))
		}
		m := b.got[0]
		if m.ID != "incident-0199" || !slices.Equal(m.To, []string{"a@example.kr", "b@example.kr"}) {
			t.Errorf("%s: %+v", l, m)
		}
		golden(t, "incident."+string(l)+".txt", "Subject: "+m.Subject+"\n\n"+m.Text)
		golden(t, "incident."+string(l)+".html", m.HTML)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := "testdata/" + name
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s:\n%s", name, diff)
	}
}

func TestWhoHears(t *testing.T) {
	refused := &mail.Refused{Err: errors.New("550 no such user")}
	away := errors.New("connection refused")
	for name, c := range map[string]struct {
		p      people
		refuse map[string]error
		off    bool
		told   bool
		fails  bool
		heard  []string
	}{
		"nobody has an address":   {p: people{}},
		"no mail server":          {p: people{members: members("a")}, off: true},
		"the workspace is gone":   {p: people{members: members("a"), gone: true}},
		"one":                     {p: people{members: members("a")}, told: true, heard: []string{"a"}},
		"the server is away":      {p: people{members: members("a", "b")}, refuse: map[string]error{"a": away}, fails: true},
		"one of three is refused": {p: people{members: members("a", "b", "c")}, refuse: map[string]error{"b": refused}, told: true, heard: []string{"a", "c"}},
		"the only one is refused": {p: people{members: members("a")}, refuse: map[string]error{"a": refused}},
		"all are refused":         {p: people{members: members("a", "b")}, refuse: map[string]error{"a": refused, "b": refused}},
		"refused, then away":      {p: people{members: members("a", "b")}, refuse: map[string]error{"a": refused, "b": away}, heard: nil, fails: true},
		"some heard, then away":   {p: people{members: members("a", "b", "c")}, refuse: map[string]error{"b": refused, "c": away}, told: true, heard: []string{"a"}},
	} {
		b := &box{refuse: c.refuse}
		var s mail.Sender = b
		if c.off {
			s = mail.Off{}
		}
		told, err := ByMail(c.p, s, "", nil).Incident(bg, dead)
		if told != c.told || (err != nil) != c.fails || !slices.Equal(b.heard(), c.heard) {
			t.Errorf("%s: told %v, %v, heard %v", name, told, err, b.heard())
		}
	}
}

func TestAMailWithoutALink(t *testing.T) {
	b := &box{}
	if _, err := ByMail(people{members: members("a"), lang: i18n.English}, b, "", nil).Incident(bg, dead); err != nil {
		t.Fatal(err)
	}
	golden(t, "incident.nolink.txt", b.got[0].Text)
}
