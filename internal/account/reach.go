package account

import (
	"context"
	"errors"
	"fmt"
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

// Unreachable are the ad accounts of a workspace that its keys will not reach
// as things stand: the key is known to be dead, or the platform refused the
// account, and neither it nor its key was proved or changed since. refused says
// when the platform did that last, by account id.
func (s *Service) Unreachable(ctx context.Context, workspaceID string, refused map[string]time.Time) (map[string]bool, error) {
	out := map[string]bool{}
	_, err := db.All(ctx, s.d, func(r db.Scanner) (struct{}, error) {
		var id string
		var usable bool
		var proved, changed, keyChanged int64
		err := r.Scan(&id, &usable, &proved, &changed, &keyChanged)
		at, ok := refused[id]
		if !usable || ok && db.US(at) >= max(proved, changed, keyChanged) {
			out[id] = true
		}
		return struct{}{}, err
	}, `SELECT a.id, coalesce(k.state, '') = 'valid', a.proved_us, a.updated_us, coalesce(k.updated_us, 0)
		FROM ad_account a LEFT JOIN api_key k ON k.id = a.api_key_id WHERE a.workspace_id = $1`, workspaceID)
	if err != nil {
		return nil, fmt.Errorf("unreachable accounts of workspace %s: %w", workspaceID, err)
	}
	return out, nil
}
