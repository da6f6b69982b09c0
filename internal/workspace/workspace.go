// Package workspace holds tenants and people: workspaces, members and their
// roles, sign-in, sessions, API tokens, invitations, the audit log, and the
// answers of repeated POSTs.
//
// A person may be a member of several workspaces. Everything else in the
// product belongs to one workspace, and every query says to which.
//
// What is secret is never stored: passwords as argon2id, tokens, sessions and
// links as an HMAC under the instance's key. They are shown once.
package workspace

import (
	"log/slog"
	"time"

	// Zones must be known on machines without a zone database.
	_ "time/tzdata"

	"imreport/internal/db"
	"imreport/internal/i18n"
	"imreport/internal/seal"
)

// DefaultZone is the zone of a workspace that names none.
const DefaultZone = "Asia/Seoul"

// Workspace is a tenant.
type Workspace struct {
	ID        string
	Name      string
	Zone      string    // IANA name, for schedules and mails: "Asia/Seoul"
	Lang      i18n.Lang // of spreadsheets and mails
	CreatedAt time.Time
}

// Via says how somebody came in.
type Via string

// The ways in.
const (
	ViaToken   Via = "token"
	ViaSession Via = "session"
	ViaSystem  Via = "system" // the program itself: the schedule, the command line
)

// Actor is who asks, in which workspace. Its zero value may do nothing.
type Actor struct {
	WorkspaceID string
	PersonID    string
	Name        string
	Role        Role      // in the workspace; of a token, when that is weaker
	Lang        i18n.Lang // the person's own
	// InstanceOwner may make workspaces. A token has it only when it was made
	// with it.
	InstanceOwner bool
	Via           Via
	TokenID       string // when Via is ViaToken
}

// System is the program itself acting in a workspace.
func System(workspaceID string) Actor {
	return Actor{WorkspaceID: workspaceID, Name: "imreport", Role: Owner, Lang: i18n.Korean, Via: ViaSystem}
}

// Options of a Service.
type Options struct {
	Log *slog.Logger     // nil: silent
	Now func() time.Time // nil: time.Now
}

// Service keeps workspaces and people.
type Service struct {
	d    *db.DB
	box  *seal.Box
	log  *slog.Logger
	now  func() time.Time
	hash hasher
}

// New makes a Service; box hashes what is secret.
func New(d *db.DB, box *seal.Box, o Options) *Service {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{d: d, box: box, log: o.Log, now: o.Now, hash: newHasher()}
}

// roleName is a role as people read it.
func roleName(r Role) i18n.Ref { return i18n.Ref("role." + string(r)) }
