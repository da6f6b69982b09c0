package review

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"imreport/internal/db"
	"imreport/internal/errs"
)

// A link's token is the message's id and half an HMAC of it under the
// instance's key, in base64: 43 characters. It is never stored; a retry makes
// the same one again. The two purposes do not open each other's pages.
const (
	forReview      = "review link"
	forUnsubscribe = "unsubscribe link"
	macBytes       = 16
)

func (s *Service) token(purpose, messageID string) string {
	id, err := uuid.Parse(messageID)
	if err != nil {
		return ""
	}
	raw := append(id[:], s.box.MAC(purpose, messageID)[:macBytes]...)
	return base64.RawURLEncoding.EncodeToString(raw)
}

// opened is the message whose token this is; ok is false for any other text.
func (s *Service) opened(purpose, token string) (messageID string, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) != 16+macBytes {
		return "", false
	}
	id, err := uuid.FromBytes(raw[:16])
	if err != nil {
		return "", false
	}
	mac := s.box.MAC(purpose, id.String())[:macBytes]
	return id.String(), subtle.ConstantTimeCompare(mac, raw[16:]) == 1
}

// ReviewLink is the address of the review page of a message.
func (s *Service) ReviewLink(messageID string) string {
	return s.o.PublicURL + "/r/" + s.token(forReview, messageID)
}

// UnsubscribeLink is the address that ends mails to the message's recipient.
func (s *Service) UnsubscribeLink(messageID string) string {
	return s.o.PublicURL + "/u/" + s.token(forUnsubscribe, messageID)
}

// byToken reads the message of a token. The error review.link_unknown says no
// more than that.
func (s *Service) byToken(ctx context.Context, purpose, token string) (Message, error) {
	unknown := errs.E(errs.NotFound, "review.link_unknown", nil)
	id, ok := s.opened(purpose, token)
	if !ok {
		return Message{}, unknown
	}
	m, err := scanMessage(s.d.QueryRow(ctx, `SELECT `+messageColumns+` FROM message WHERE id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return m, unknown
	}
	if err != nil {
		return m, fmt.Errorf("message %s: %w", id, err)
	}
	return m, nil
}

// Leaving is what the unsubscribe page shows.
type Leaving struct {
	Shop    string
	Lang    string // of the shop
	Address string // masked
	Done    bool   // no mail comes any more
}

// Leave says whom an unsubscribe link is about. It changes nothing.
func (s *Service) Leave(ctx context.Context, token string) (Leaving, error) {
	m, err := s.byToken(ctx, forUnsubscribe, token)
	if err != nil {
		return Leaving{}, err
	}
	sh, err := s.shops.ByID(ctx, nil, m.ShopID)
	if err != nil {
		return Leaving{}, err
	}
	why, err := suppressed(ctx, s.d, m.ShopID, m.addrHash, s.now())
	return Leaving{Shop: sh.Name, Lang: string(sh.Lang), Address: m.Address, Done: why != ""}, err
}

// Unsubscribe ends all mails of the shop to the recipient of a message. Doing
// it again is no error.
func (s *Service) Unsubscribe(ctx context.Context, token string) error {
	m, err := s.byToken(ctx, forUnsubscribe, token)
	if err != nil {
		return err
	}
	return s.d.InTx(ctx, func(tx *db.Tx) error {
		return s.suppress(ctx, tx, m.ShopID, m.addrHash, m.Address, WhyUnsubscribed, "", time.Time{})
	})
}
