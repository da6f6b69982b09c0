package account

import (
	"context"
	"errors"
	"time"

	"imreport/internal/db"
	"imreport/internal/errs"
)

// Prover asks a platform, with one request, whether a key reaches a customer.
// A key that is dead comes back as *Refused, a customer that is out of its
// reach as an error of Kind Invalid. A Discoverer may be one.
type Prover interface {
	Prove(ctx context.Context, c Credential, customer string) error
}

// Access says whether a workspace's key reaches an ad account.
type Access string

// The answers. Clients see them; "account.access.ACCESS" is their sentence.
const (
	Reached    Access = "reached"     // within ProofFor
	OutOfReach Access = "refused"     // the platform says no
	NotChecked Access = "not_checked" // the platform could not be asked
)

const (
	// ProofFor is how long a proof holds: as long, a workspace is served what
	// is stored of the customer.
	ProofFor = 24 * time.Hour
	// reachWithin bounds how long a person waits for the platform's answer.
	reachWithin = 5 * time.Second
)

// Reach says whether the account's key reaches it: it was seen within
// ProofFor, or the platform is asked now. why is what a person should know
// when it does not; err is a fault of ours.
func (s *Service) Reach(ctx context.Context, a Account, now time.Time) (access Access, why, err error) {
	if now.Sub(a.ProvedAt) < ProofFor {
		return Reached, nil, nil
	}
	platform, ok := s.discoverers[a.Platform].(Prover)
	if !ok {
		return NotChecked, nil, nil
	}
	c, err := s.Credential(ctx, a.WorkspaceID, a.APIKeyID)
	if err != nil {
		return NotChecked, nil, err
	}
	asking, stop := context.WithTimeout(ctx, reachWithin)
	defer stop()
	why = platform.Prove(asking, c, a.CustomerID)
	if refused := (*Refused)(nil); errors.As(why, &refused) {
		err := s.d.InTx(ctx, func(tx *db.Tx) error { return s.MarkInvalid(ctx, tx, a.APIKeyID, refused, now) })
		return OutOfReach, why, err
	}
	switch {
	case why == nil:
		return Reached, nil, s.MarkProved(ctx, a.ID, now)
	case errs.KindOf(why) == errs.Invalid:
		return OutOfReach, why, nil
	}
	return NotChecked, why, ctx.Err()
}
