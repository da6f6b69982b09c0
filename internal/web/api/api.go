// Package api is the JSON calls about reports and the people who make them:
// API keys, ad accounts, raw data, runs, status and events, incidents,
// workspaces, members and tokens. The mechanism is package rest; the calls are
// listed in operations, each beside its handler.
package api

import (
	"context"
	"io"
	"time"

	"imreport/internal/account"
	"imreport/internal/incident"
	"imreport/internal/quota"
	"imreport/internal/report"
	"imreport/internal/run"
	"imreport/internal/schedule"
	"imreport/internal/table"
	"imreport/internal/web"
	"imreport/internal/web/rest"
	"imreport/internal/workspace"
)

// Deps are what the calls stand on.
type Deps struct {
	Runs      Runs
	Reports   Reports
	Accounts  Accounts
	Incidents Incidents
	Files     Files
	// Usage is how the licence of a key is used, as the process that owns it
	// knows.
	Usage func(ctx context.Context, k account.Key) (quota.Usage, error)
	// Estimate is what filling in for the workspace would cost; in is checked.
	Estimate func(ctx context.Context, workspaceID string, in report.Input) (Estimate, error)
	// Expected is when an open run is expected to end; nil when too little is
	// known. May be nil.
	Expected func(run.View) *quota.Range
	// NextRefresh is when a raw data is filled next by its schedule, zero for
	// never. May be nil.
	NextRefresh func(report.RawData) time.Time
	// Newer are the days of a raw data whose numbers have changed, or are in
	// doubt, since its spreadsheet was filled. May be nil.
	Newer func(ctx context.Context, it run.Item, acc account.Account) ([]Newer, error)
	// Mornings is what refreshes raw data by itself; without it its calls do
	// not exist.
	Mornings Mornings
	// TryChannels sends a test message to a workspace's Slack and webhook.
	TryChannels func(ctx context.Context, workspaceID string) ([]schedule.Trial, error)
	// Spared is how many requests a workspace's keys did not have to make, or
	// one of them when keyID is not empty. May be nil.
	Spared func(ctx context.Context, workspaceID, keyID string) (Spared, error)
}

// Newer is a day whose numbers have changed since a spreadsheet was filled.
type Newer struct {
	Report string
	Day    table.Day
	// Doubtful: what is stored contradicts the platform's own statistics; the
	// next refresh fetches it again.
	Doubtful bool
}

// Spared is how many requests to a platform were not made, and why.
type Spared struct {
	Since    time.Time // when it was first counted; zero: never
	Requests int64
	By       []SparedBy // most first
}

// SparedBy is one reason's share: "naver.spared.WHY" says it in words.
type SparedBy struct {
	Why      string
	Requests int64
}

// Estimate is what a filling costs.
type Estimate struct {
	Pieces   int           // (report type, day) in all
	Stored   int           // of them, need no fetching
	Requests int           // to the platform, about
	Takes    time.Duration // until it is ready, waiting included; about
	ReadyAt  time.Time     // zero while too little is known
}

// Runs is what the calls need of package run.
type Runs interface {
	Create(ctx context.Context, workspaceID, personID string, in report.Input, req run.Request) (report.RawData, run.Run, error)
	Refresh(ctx context.Context, workspaceID, rawDataID string, req run.Request) (run.Run, error)
	Get(ctx context.Context, workspaceID, id string) (run.View, error)
	Runs(ctx context.Context, workspaceID, rawDataID, cursor string, limit int) ([]run.View, error)
	Open(ctx context.Context, workspaceID string) ([]run.View, error)
	EndedSince(ctx context.Context, workspaceID string, since time.Time, limit int) ([]run.View, error)
	Log(ctx context.Context, workspaceID, rawDataID string, after int64, limit int) ([]run.LogRow, error)
	Item(ctx context.Context, workspaceID, rawDataID string) (run.Item, error)
	Items(ctx context.Context, workspaceID, cursor string, limit int) ([]run.Item, error)
	Cancel(ctx context.Context, workspaceID, id string) (run.Run, error)
	Retry(ctx context.Context, workspaceID, id string) (run.Run, error)
	Pause(ctx context.Context, workspaceID, rawDataID string, until time.Time) error
	Resume(ctx context.Context, workspaceID, rawDataID string) error
	Delete(ctx context.Context, workspaceID, rawDataID string) error
	FileOf(ctx context.Context, workspaceID, rawDataID string) (report.RawData, run.File, error)
}

// Reports is what the calls need of package report.
type Reports interface {
	Types() []report.Type
	Check(ctx context.Context, workspaceID string, in *report.Input, now time.Time) error
	Update(ctx context.Context, workspaceID, id string, change func(in *report.Input), now time.Time) (report.RawData, error)
	Opened(ctx context.Context, r report.RawData, now time.Time) error
}

// Accounts is what the calls need of package account.
type Accounts interface {
	Key(ctx context.Context, workspaceID, id string) (account.Key, error)
	Keys(ctx context.Context, workspaceID, cursor string, limit int) ([]account.Key, error)
	AddKey(ctx context.Context, workspaceID string, in account.NewKey, now time.Time) (account.Key, error)
	UpdateKey(ctx context.Context, workspaceID, id string, c account.KeyChange, now time.Time) (account.Key, error)
	DeleteKey(ctx context.Context, workspaceID, id string, withAccounts bool, now time.Time) error
	Sync(ctx context.Context, workspaceID, keyID string, now time.Time) (account.Synced, error)
	AccountIn(ctx context.Context, workspaceID, id string) (account.Account, error)
	Accounts(ctx context.Context, workspaceID, keyID, cursor string, limit int) ([]account.Account, error)
	AccountsByID(ctx context.Context, workspaceID string, ids []string) (map[string]account.Account, error)
	AddAccount(ctx context.Context, workspaceID string, in account.NewAccount, now time.Time) (account.Account, bool, error)
	UpdateAccount(ctx context.Context, workspaceID, id string, c account.AccountChange, now time.Time) (account.Account, error)
	DeleteAccount(ctx context.Context, workspaceID, id string, now time.Time) error
	Reach(ctx context.Context, a account.Account, now time.Time) (access account.Access, why, err error)
}

// Incidents is what the calls need of package incident.
type Incidents interface {
	List(ctx context.Context, workspaceID string, onlyOpen bool, cursor string, limit int) ([]incident.Incident, error)
	Get(ctx context.Context, workspaceID, id string) (incident.Incident, error)
	ResolveByHand(ctx context.Context, workspaceID, id string, now time.Time) (incident.Incident, error)
}

// Files opens finished spreadsheets.
type Files interface {
	Open(ctx context.Context, f run.File) (io.ReadSeekCloser, int64, error)
}

// API is the calls of one site.
type API struct {
	d      Deps
	site   *web.Site
	people *workspace.Service
	events *events
}

// Mount adds the calls.
func Mount(calls *rest.API, d Deps) {
	a := &API{d: d, site: calls.Site(), people: calls.Site().People()}
	a.events = newEvents(a)
	calls.Add(a.operations()...)
}

// now is the instant of a change, as exact as the database keeps it: what is
// answered at once reads the same later.
func (a *API) now() time.Time { return a.site.Now().UTC().Truncate(time.Microsecond) }

// operations are all calls, in the order of the documents.
func (a *API) operations() []rest.Operation {
	var all []rest.Operation
	for _, part := range [][]rest.Operation{
		a.keyCalls(), a.accountCalls(), a.rawDataCalls(), a.runCalls(), a.statusCalls(), a.incidentCalls(),
		a.morningCalls(), a.workspaceCalls(), a.peopleCalls(), a.tokenCalls(), a.profileCalls(),
	} {
		all = append(all, part...)
	}
	return all
}

// Who may call: what the role has to allow, and what a change is called in the
// audit log.
func reads(do workspace.Action) web.Access { return web.Access{Needs: do} }

func writes(do workspace.Action, action string) web.Access {
	return web.Access{Needs: do, Action: action}
}

func creates(do workspace.Action, action string) web.Access {
	return web.Access{Needs: do, Action: action, Creates: true}
}
