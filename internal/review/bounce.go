package review

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"imreport/internal/db"
	"imreport/internal/incident"
)

// What a bounce or complaint means for the message.
const (
	bounceSoft      = "soft"
	bounceHard      = "hard"
	bounceComplaint = "complaint"
	// bouncePolicy: the receiver turns the sender down, not the address.
	bouncePolicy = "policy"
)

// Report is a bounce (DSN, RFC 3464) or a complaint (ARF, RFC 5965) as parsed
// by package mail.
type Report struct {
	Complaint bool
	// Token is the message's id, from the mail that came back; may be empty.
	Token   string
	Address string // final recipient; may be empty
	Action  string // "failed", "delayed", "delivered", …
	Status  string // enhanced: "5.1.1"
	Words   string // the receiver's diagnosis
	Raw     []byte // the mail, for knowing it again
}

// Taken is what became of a report.
type Taken struct {
	MessageID string // empty: it is about no mail of ours
	Kind      string // "soft", "hard", "complaint", "policy", "delivered" or ""
	Again     bool   // this very report was taken before
}

// hard are the statuses that say an address is no good (reference C4).
var hard = map[string]bool{"5.1.1": true, "5.1.2": true, "5.1.3": true, "5.1.6": true, "5.1.10": true, "5.2.1": true}

func kindOf(r Report) string {
	switch {
	case r.Complaint:
		return bounceComplaint
	case strings.EqualFold(r.Action, "delivered"), strings.EqualFold(r.Action, "relayed"), strings.EqualFold(r.Action, "expanded"):
		return "delivered"
	case strings.EqualFold(r.Action, "delayed"):
		return ""
	case hard[r.Status]:
		return bounceHard
	case strings.HasPrefix(r.Status, "5.7."):
		return bouncePolicy
	default:
		return bounceSoft // mailbox full, routing, anything that may pass
	}
}

// Bounced takes a report: it suppresses the address where the report means
// that, notes it on the message, and stops the shop when there are too many. A
// report is taken once, however often it comes.
func (s *Service) Bounced(ctx context.Context, r Report) (t Taken, err error) {
	sum := sha256.Sum256(r.Raw)
	key := hex.EncodeToString(sum[:16])
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		t = Taken{Kind: kindOf(r)}
		at := s.now()
		m, known, err := s.ofReport(ctx, tx, r)
		if err != nil {
			return err
		}
		if known {
			t.MessageID = m.ID
		}
		n, err := tx.Exec(ctx, `INSERT INTO mail_event (hash, message_id, kind, status, at_us) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (hash) DO NOTHING`, key, t.MessageID, t.Kind, clean(r.Status), db.US(at))
		if err != nil {
			return fmt.Errorf("note report: %w", err)
		}
		if n == 0 {
			t.Again = true
			return nil
		}
		if !known {
			return s.strange(ctx, tx, r, t.Kind)
		}
		return s.apply(ctx, tx, m, r, t.Kind, at)
	})
	return t, err
}

// ofReport finds the message that a report is about: by its token, else the
// last mail to the address.
func (s *Service) ofReport(ctx context.Context, tx *db.Tx, r Report) (m Message, known bool, err error) {
	where, arg := `id = $1`, r.Token
	if r.Token == "" {
		if where, arg = `addr_hash = $1 AND sent_us > 0`, s.hash(r.Address); arg == "" {
			return m, false, nil
		}
	}
	all, err := db.All(ctx, tx, scanMessage, `SELECT `+messageColumns+` FROM message WHERE `+where+` ORDER BY sent_us DESC LIMIT 1`, clean(arg))
	if err != nil {
		return m, false, fmt.Errorf("message of report: %w", err)
	}
	if len(all) == 0 {
		return m, false, nil
	}
	return all[0], true, nil
}

// strange is a complaint or bounce about an address that we cannot tie to a
// mail: a complaint still counts for everybody.
func (s *Service) strange(ctx context.Context, tx *db.Tx, r Report, kind string) error {
	if kind != bounceComplaint || r.Address == "" {
		return nil
	}
	return s.suppress(ctx, tx, everyShop, s.hash(r.Address), Mask(normal(r.Address)), WhyComplained, "", time.Time{})
}

func (s *Service) apply(ctx context.Context, tx *db.Tx, m Message, r Report, kind string, at time.Time) error {
	detail := strings.TrimSpace(r.Status + " " + r.Words)
	if m.State == Unknown && kind != "" {
		// Whatever came back, the mail had gone out: no longer unknown.
		if _, err := move(ctx, tx, &m, []State{Unknown}, note{state: Sent, reason: Evidence, detail: detail, at: at}, `sent_us = $6`, db.US(at)); err != nil {
			return err
		}
	}
	reason := Bounced
	why, shopID := WhyBounced, m.ShopID
	switch kind {
	case bounceComplaint:
		reason, why, shopID = Complained, WhyComplained, everyShop
	case bounceHard, bounceSoft, bouncePolicy:
	default:
		return nil
	}
	// Stronger words stay: a complaint is not lowered to a bounce.
	_, err := tx.Exec(ctx, `UPDATE message SET bounce = $2, updated_us = $3 WHERE id = $1 AND bounce <> 'complaint' AND (bounce <> 'hard' OR $2 = 'complaint')`,
		m.ID, kind, db.US(at))
	if err != nil {
		return fmt.Errorf("note bounce of %s: %w", m.ID, err)
	}
	if err := logMessage(ctx, tx, m.ID, note{state: m.State, reason: reason, detail: detail, at: at}); err != nil {
		return err
	}
	switch kind {
	case bounceHard, bounceComplaint:
		if err := s.suppress(ctx, tx, shopID, m.addrHash, m.Address, why, detail, time.Time{}); err != nil {
			return err
		}
	case bouncePolicy:
		return s.stop(ctx, tx, m.ShopID, StopRefused, at)
	case bounceSoft:
		if err := s.softFailed(ctx, tx, m, at); err != nil {
			return err
		}
	}
	return s.breaker(ctx, tx, m.ShopID, at)
}

// softFailed gives an address a rest of 90 days when three mails to it have
// failed within 30 (reference C4).
func (s *Service) softFailed(ctx context.Context, tx *db.Tx, m Message, at time.Time) error {
	var n int
	err := tx.QueryRow(ctx, `SELECT count(*) FROM message WHERE shop_id = $1 AND addr_hash = $2 AND updated_us > $3
		AND (state = 'failed' OR bounce = 'soft')`, m.ShopID, m.addrHash, db.US(at.AddDate(0, 0, -30))).Scan(&n)
	if err != nil {
		return fmt.Errorf("soft bounces: %w", err)
	}
	if n < 3 {
		return nil
	}
	return s.suppress(ctx, tx, m.ShopID, m.addrHash, m.Address, WhySoft, "", at.AddDate(0, 0, 90))
}

// The breaker: a shop stops when too many of its last mails bounced or were
// complained about. Providers review a sender at 5 % bounces and 0.1 %
// complaints (Amazon SES, reference C4).
const (
	watched        = 1000 // last mails
	watchedLeast   = 20   // below that a share says nothing
	bounceShare    = 0.05
	bouncesLeast   = 3
	complaintShare = 0.001
	complaintLeast = 2
)

// breaker stops a shop whose mails come back too often.
func (s *Service) breaker(ctx context.Context, tx *db.Tx, shopID string, at time.Time) error {
	v, err := settings(ctx, tx, shopID)
	if err != nil || v.Stopped() {
		return err
	}
	var sent, bounced, complained int
	// A mail that was refused at the door counts as sent and bounced.
	err = tx.QueryRow(ctx, `SELECT count(*), count(*) FILTER (WHERE bounce IN ('hard', 'soft')), count(*) FILTER (WHERE bounce = 'complaint')
		FROM (SELECT bounce FROM message WHERE shop_id = $1 AND updated_us > $2 AND (state = 'sent' OR bounce <> '')
			ORDER BY updated_us DESC LIMIT $3) last`, shopID, v.watchedUS, watched).Scan(&sent, &bounced, &complained)
	if err != nil {
		return fmt.Errorf("breaker of shop %s: %w", shopID, err)
	}
	n := float64(sent)
	switch {
	case sent >= watchedLeast && bounced >= bouncesLeast && float64(bounced) >= bounceShare*n:
		return s.stop(ctx, tx, shopID, StopBounces, at)
	case complained >= complaintLeast && float64(complained) > complaintShare*n:
		return s.stop(ctx, tx, shopID, StopComplaints, at)
	}
	return nil
}

// KindStopped is the incident of a shop whose mails are stopped; its subject is
// the shop.
const KindStopped incident.Kind = "shop_stopped"

func (s *Service) stop(ctx context.Context, tx *db.Tx, shopID string, why Stop, at time.Time) error {
	v, err := lockSettings(ctx, tx, shopID, db.US(at))
	if err != nil || v.Stopped() {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE review_setting SET stopped_us = $2, stopped_why = $3 WHERE shop_id = $1`, shopID, db.US(at), string(why)); err != nil {
		return fmt.Errorf("stop shop %s: %w", shopID, err)
	}
	if s.o.Incidents == nil || why == StopPerson {
		return nil
	}
	sh, err := s.shops.ByID(ctx, tx, shopID)
	if err != nil {
		return err
	}
	_, _, err = s.o.Incidents.Open(ctx, tx, sh.WorkspaceID, incident.Report{Kind: KindStopped, Subject: shopID, Reason: string(why),
		Args: []string{sh.Name}, Link: "/shops/" + shopID}, at)
	return err
}

// Stop ends all mails of a shop until Resume.
func (s *Service) Stop(ctx context.Context, shopID string) error {
	return s.d.InTx(ctx, func(tx *db.Tx) error { return s.stop(ctx, tx, shopID, StopPerson, s.now()) })
}

// Resume lets a stopped shop send again; the breaker counts anew.
func (s *Service) Resume(ctx context.Context, shopID string) error {
	err := s.d.InTx(ctx, func(tx *db.Tx) error {
		at := s.now()
		if _, err := lockSettings(ctx, tx, shopID, db.US(at)); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE review_setting SET stopped_us = 0, stopped_why = '', watched_us = $2 WHERE shop_id = $1`, shopID, db.US(at)); err != nil {
			return fmt.Errorf("resume shop %s: %w", shopID, err)
		}
		if s.o.Incidents == nil {
			return nil
		}
		sh, err := s.shops.ByID(ctx, tx, shopID)
		if err != nil {
			return err
		}
		_, err = s.o.Incidents.Resolve(ctx, tx, sh.WorkspaceID, KindStopped, shopID, at)
		return err
	})
	s.poke()
	return err
}
