// Package account holds the API keys of a workspace and the ad accounts that
// they reach.
//
// A key's identity for pacing is its licence, which several rows may share, in
// one workspace or many. Whether it works belongs to the row: who registers
// somebody's licence with a wrong secret stops only themselves. Secrets are
// sealed at rest and never come back over any interface but Credential.
package account

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"imreport/internal/db"
	"imreport/internal/incident"
	"imreport/internal/jobs"
	"imreport/internal/seal"
)

// NaverSearchAd is the platform Naver Search Ads.
const NaverSearchAd = "naver_searchad"

// Platforms are all platforms.
var Platforms = []string{NaverSearchAd}

// Credential is what a request is signed with. Pace and learning belong to the
// licence, which several rows may share; validity belongs to the row. It
// prints without its secrets.
type Credential struct {
	ID            string // of the api_key row
	WorkspaceID   string
	Platform      string
	License       string   // its identity for package quota
	Secrets       []string // in the order of trial; the first is the newest
	OwnerCustomer string   // customer id of the key's owner; may be empty
	// Revision counts the changes of licence and secrets. A Refused error
	// carries it back, so that a late refusal of an old secret cannot stop a
	// key that was repaired meanwhile.
	Revision int64
}

// String hides the secrets, and most of the licence.
func (c Credential) String() string {
	return fmt.Sprintf("api key %s (%s, licence %s, revision %d)", c.ID, c.Platform, Mask(c.License), c.Revision)
}

// GoString is String, for %#v.
func (c Credential) GoString() string { return c.String() }

// LogValue is String, for slog.
func (c Credential) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText is String, so that no encoder writes the secrets either.
func (c Credential) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Mask shortens a licence to what tells two apart: its first and last four
// characters.
func Mask(license string) string {
	if len(license) <= 12 {
		return "…"
	}
	return license[:4] + "…" + license[len(license)-4:]
}

// Key is an API key without its secrets.
type Key struct {
	ID            string
	WorkspaceID   string
	Platform      string
	Name          string
	License       string
	Secrets       int    // how many are kept
	OwnerCustomer string // may be empty
	Revision      int64
	Valid         bool
	Reason        Reason    // why not; empty when valid
	InvalidAt     time.Time // since when; zero when valid
	ProvedAt      time.Time // when a request with it last went through; zero: never
	HeadRoom      int       // percent of the rate left to others, 0 to 90
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

// Account is an ad account: a customer id of a platform, reached by a key.
type Account struct {
	ID          string
	WorkspaceID string
	APIKeyID    string
	Platform    string
	CustomerID  string // digits
	Name        string
	Role        string // what the platform says the key may do there; may be empty
	// ProvedAt is when the workspace's own credential last reached the
	// customer; stored pieces are served for 24 h after it.
	ProvedAt  time.Time
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Reason says why a platform refuses a key.
type Reason string

// The reasons. Clients see them; "account.reason.REASON" is their sentence.
const (
	ReasonLicense Reason = "license_invalid" // unknown, re-issued or switched off
	ReasonSecret  Reason = "secret_invalid"  // the licence is known, the secret is not its
	ReasonRefused Reason = "refused"         // the platform does not say which
)

// Refused is the error of a source whose request was refused because of the
// key as a whole, not because of one customer.
type Refused struct {
	Reason   Reason
	Revision int64 // of the Credential that was used
	Err      error
}

func (r *Refused) Error() string {
	if r.Err == nil {
		return string(r.Reason)
	}
	return string(r.Reason) + ": " + r.Err.Error()
}

func (r *Refused) Unwrap() error { return r.Err }

// Found is an ad account that a key can see.
type Found struct {
	CustomerID string
	Name       string
	Role       string // the platform's word: OWNER, MASTER, READ_ONLY
}

// Discoverer asks a platform which ad accounts a key can see. A key that is
// refused as a whole comes back as *Refused. Implemented by the packages below
// source/.
type Discoverer interface {
	Discover(ctx context.Context, c Credential) ([]Found, error)
}

// Dependent is something that hangs on a key or an account.
type Dependent struct {
	Kind  string `json:"kind"` // "ad_account", "raw_data"
	Count int    `json:"count"`
}

// Dependents says what hangs on an ad account, so that it is not deleted from
// under it. Kinds with a count of 0 may be left out.
type Dependents func(ctx context.Context, tx *db.Tx, accountID string) ([]Dependent, error)

// Event is a change of a key.
type Event struct {
	What Change
	Key  Key
}

// Change says what has happened to a key.
type Change string

// The changes.
const (
	BecameInvalid Change = "invalid" // the platform refuses it
	BecameValid   Change = "valid"   // repaired, or proved again
	Tuned         Change = "tuned"   // new, deleted, another licence or head room
)

// Service keeps keys and ad accounts.
type Service struct {
	d           *db.DB
	jobs        *jobs.Jobs
	box         *seal.Box
	incidents   *incident.Service
	log         *slog.Logger
	discoverers map[string]Discoverer
	dependents  []Dependents
	changed     []func(ctx context.Context, tx *db.Tx, e Event) error
	usable      []func(ctx context.Context, keyID string) error
}

// New makes a Service and registers its job. A nil log is silent.
func New(d *db.DB, j *jobs.Jobs, box *seal.Box, incidents *incident.Service, log *slog.Logger) *Service {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Service{d: d, jobs: j, box: box, incidents: incidents, log: log, discoverers: map[string]Discoverer{}}
	jobs.Handle(j, s.handleUsable)
	return s
}

// The hooks below are set while the program is put together, before it works.

// Discover sets who finds the ad accounts of a platform's keys.
func (s *Service) Discover(platform string, d Discoverer) { s.discoverers[platform] = d }

// DependsOn adds somebody who may have things that hang on an ad account.
func (s *Service) DependsOn(f Dependents) { s.dependents = append(s.dependents, f) }

// OnChange calls f in the transaction that changes a key; its error undoes the
// change.
func (s *Service) OnChange(f func(ctx context.Context, tx *db.Tx, e Event) error) {
	s.changed = append(s.changed, f)
}

// OnUsable calls f in a job after a key has become usable again, at least
// once, so that what was parked for it goes on.
func (s *Service) OnUsable(f func(ctx context.Context, keyID string) error) {
	s.usable = append(s.usable, f)
}
