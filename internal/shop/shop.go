// Package shop holds the shops of a workspace: how they are reached (access
// code, webhook secrets, token of the Admin API) and how their customers are
// asked (delay, quiet hours, sender).
//
// An access code is shown once and stored as a keyed hash. Secrets are sealed
// and never come back over any interface but Secrets and AdminToken.
package shop

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"imreport/internal/db"
	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/internal/seal"
)

// What a shop has that says nothing about it.
const (
	DefaultReviewDelay = 14 * 24 * time.Hour
	DefaultCooldown    = 30 * 24 * time.Hour
	DefaultMaxOrderAge = 60 * 24 * time.Hour
	DefaultMailRate    = 5.0 // per second; usual for a small sender
	DefaultMailRetry   = time.Minute
	// OldCodeLives is how long the hook address of a replaced access code
	// still takes webhooks: retries go to the address of when they fired.
	OldCodeLives = 24 * time.Hour
	// secretsKept bounds how many webhook secrets are tried.
	secretsKept = 5
)

// QuietHours are hours of the day, in the shop's zone, in which no mail goes
// out. From after To spans midnight.
type QuietHours struct {
	From int // minute of the day, 0 to 1439
	To   int
}

// Covers reports whether t, in the zone it carries, is quiet.
func (q *QuietHours) Covers(t time.Time) bool {
	if q == nil || q.From == q.To {
		return false
	}
	m := t.Hour()*60 + t.Minute()
	if q.From < q.To {
		return m >= q.From && m < q.To
	}
	return m >= q.From || m < q.To
}

// Shop is one shop, without its secrets.
type Shop struct {
	ID                string
	WorkspaceID       string
	Name              string
	Domain            string // lower-case: "name.myshopify.com"; may be empty
	Zone              string // IANA name
	Lang              i18n.Lang
	ReviewDelay       time.Duration // from fulfilment to request
	Cooldown          time.Duration // between two requests to one address; 0: off
	QuietHours        *QuietHours   // nil: none
	MaxOrderAge       time.Duration // older orders are not mailed by themselves
	MailRatePerSecond float64
	MailRetryAfter    time.Duration // first pause after a 4xx
	MailFrom          string        // may be empty: the instance's sender
	WebhookSecrets    int           // how many are kept
	HasAdminToken     bool
	ConnectedAt       time.Time // orders before it are past orders
	UninstalledAt     time.Time // zero while the app is installed
	LastHookAt        time.Time // zero: no webhook yet
	ReconciledAt      time.Time // orders changed up to then are known; zero: never asked
	ReconcileProblem  string    // why the last try failed: "shop.reconcile.X" is its sentence; empty: it did not
	CreatedAt         time.Time
	UpdatedAt         time.Time
}

// Location is the shop's zone; UTC if the machine does not know it.
func (s Shop) Location() *time.Location {
	l, err := time.LoadLocation(s.Zone)
	if err != nil {
		return time.UTC
	}
	return l
}

// Service keeps shops.
type Service struct {
	d   *db.DB
	box *seal.Box
	now func() time.Time
	log *slog.Logger

	mu    sync.Mutex
	hooks map[string]hookEntry // by code hash
}

// Options of a Service.
type Options struct {
	Now func() time.Time // nil: time.Now
	Log *slog.Logger     // nil: silent
}

// New makes a Service.
func New(d *db.DB, box *seal.Box, o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{d: d, box: box, now: o.Now, log: o.Log, hooks: map[string]hookEntry{}}
}

// codePrefix marks an access code, so that a leaked one is recognised.
const codePrefix = "shop_"

func newCode() string {
	b := make([]byte, 24)
	_, _ = rand.Read(b) // never fails, by its documentation
	return codePrefix + base64.RawURLEncoding.EncodeToString(b)
}

// hash is what is stored of an access code: an HMAC under the instance's key.
// Rows are found by it; who tries codes cannot steer it and learns nothing
// from how long the search takes.
func (s *Service) hash(code string) string {
	return base64.RawURLEncoding.EncodeToString(s.box.MAC("shop access code", code))
}

// Create adds a shop and returns its access code, which is shown once.
func (s *Service) Create(ctx context.Context, workspaceID string, in Input) (sh Shop, code string, err error) {
	now := s.now()
	sh = Shop{ID: db.NewID(), WorkspaceID: workspaceID, Zone: "Asia/Seoul", Lang: i18n.Korean,
		ReviewDelay: DefaultReviewDelay, Cooldown: DefaultCooldown, MaxOrderAge: DefaultMaxOrderAge,
		MailRatePerSecond: DefaultMailRate, MailRetryAfter: DefaultMailRetry,
		ConnectedAt: now, CreatedAt: now, UpdatedAt: now}
	if in.Name == nil {
		in.Name = new(string)
	}
	if err := in.apply(&sh); err != nil {
		return Shop{}, "", err
	}
	code = newCode()
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO shop (id, workspace_id, name, domain, zone, lang, secrets, secret_count, admin_token,
				review_delay_us, cooldown_us, quiet_from, quiet_to, max_order_age_us, mail_rate, mail_retry_us, mail_from,
				connected_us, installed_us, uninstalled_us, reconciled_us, reconcile_due_us, reconcile_problem, subscribed_us,
				last_hook_us, created_us, updated_us)
			VALUES ($1, $2, '', '', '', '', '', 0, '', 0, 0, 0, 0, 0, 0, 0, '', $3, $3, 0, 0, 0, '', 0, 0, $3, $3)`, sh.ID, workspaceID, db.US(now))
		if err != nil {
			return fmt.Errorf("insert shop: %w", err)
		}
		if err := s.write(ctx, tx, &sh, in, nil); err != nil {
			return err
		}
		return s.addCode(ctx, tx, sh.ID, code, now)
	})
	return sh, code, err
}

func (s *Service) addCode(ctx context.Context, tx *db.Tx, shopID, code string, now time.Time) error {
	_, err := tx.Exec(ctx, `INSERT INTO shop_code (hash, shop_id, created_us, until_us) VALUES ($1, $2, $3, 0)`,
		s.hash(code), shopID, db.US(now))
	if err != nil {
		return fmt.Errorf("access code of shop %s: %w", shopID, err)
	}
	return nil
}

// Update changes what in names; shop.not_found when there is no such shop.
func (s *Service) Update(ctx context.Context, workspaceID, id string, in Input) (sh Shop, err error) {
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		// The UPDATE locks the row before it is read.
		if _, err := tx.Exec(ctx, `UPDATE shop SET updated_us = $3 WHERE workspace_id = $1 AND id = $2`, workspaceID, id, db.US(s.now())); err != nil {
			return fmt.Errorf("lock shop %s: %w", id, err)
		}
		if sh, err = get(ctx, tx, `workspace_id = $1 AND id = $2`, workspaceID, id); err != nil {
			return err
		}
		if err := in.apply(&sh); err != nil {
			return err
		}
		old, err := s.secrets(ctx, tx, id)
		if err != nil && !(in.WebhookSecrets != nil && errs.Is(err, "seal.wrong_key")) {
			return err // with all secrets given anew, what another key sealed is no loss
		}
		return s.write(ctx, tx, &sh, in, old)
	})
	s.forget()
	return sh, err
}

// write stores the settings of sh, and the secrets that in names.
func (s *Service) write(ctx context.Context, tx *db.Tx, sh *Shop, in Input, secrets []string) error {
	if in.WebhookSecrets != nil {
		secrets = *in.WebhookSecrets
	}
	if in.WebhookSecret != nil {
		secrets = push(secrets, *in.WebhookSecret)
	}
	sh.WebhookSecrets = len(secrets)
	from, to := -1, -1
	if q := sh.QuietHours; q != nil {
		from, to = q.From, q.To
	}
	_, err := tx.Exec(ctx, `UPDATE shop SET name = $2, domain = $3, zone = $4, lang = $5, review_delay_us = $6, cooldown_us = $7,
			quiet_from = $8, quiet_to = $9, max_order_age_us = $10, mail_rate = $11, mail_retry_us = $12, mail_from = $13,
			secrets = $14, secret_count = $15 WHERE id = $1`,
		sh.ID, sh.Name, sh.Domain, sh.Zone, string(sh.Lang), sh.ReviewDelay.Microseconds(), sh.Cooldown.Microseconds(), from, to,
		sh.MaxOrderAge.Microseconds(), sh.MailRatePerSecond, sh.MailRetryAfter.Microseconds(), sh.MailFrom,
		s.seal(sh.ID, secrets), len(secrets))
	if err == nil && in.AdminToken != nil {
		sealed := ""
		if t := *in.AdminToken; t != "" {
			sealed = s.box.Seal(t, adminSubject(sh.ID))
		}
		sh.ReconcileProblem = ""
		sh.HasAdminToken = sealed != ""
		_, err = tx.Exec(ctx, `UPDATE shop SET admin_token = $2, reconcile_due_us = 0, subscribed_us = 0, reconcile_problem = '' WHERE id = $1`, sh.ID, sealed)
	}
	if err != nil {
		return fmt.Errorf("write shop %s: %w", sh.ID, err)
	}
	return nil
}

// Get is one shop of a workspace; shop.not_found when there is none.
func (s *Service) Get(ctx context.Context, workspaceID, id string) (Shop, error) {
	return get(ctx, s.d, `workspace_id = $1 AND id = $2`, workspaceID, id)
}

// ByID is a shop whatever its workspace, for what the program does by itself.
// q is an open transaction; nil reads outside of one.
func (s *Service) ByID(ctx context.Context, q db.Queryer, id string) (Shop, error) {
	if q == nil {
		q = s.d
	}
	return get(ctx, q, `id = $1`, id)
}

// List lists a workspace's shops, newest first, before the id cursor when it
// is not empty.
func (s *Service) List(ctx context.Context, workspaceID, cursor string, limit int) ([]Shop, error) {
	if cursor == "" {
		cursor = "~"
	}
	all, err := db.All(ctx, s.d, scan, `SELECT `+columns+` FROM shop
		WHERE workspace_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3`, workspaceID, cursor, limit)
	if err != nil {
		return nil, fmt.Errorf("list shops: %w", err)
	}
	return all, nil
}

const columns = `id, workspace_id, name, domain, zone, lang, secret_count, admin_token <> '', review_delay_us, cooldown_us,
	quiet_from, quiet_to, max_order_age_us, mail_rate, mail_retry_us, mail_from, connected_us, uninstalled_us, last_hook_us,
	reconciled_us, reconcile_problem, created_us, updated_us`

func scan(r db.Scanner) (sh Shop, err error) {
	var lang string
	var delay, cooldown, age, retry, connected, gone, hook, reconciled, created, updated int64
	var from, to int
	err = r.Scan(&sh.ID, &sh.WorkspaceID, &sh.Name, &sh.Domain, &sh.Zone, &lang, &sh.WebhookSecrets, &sh.HasAdminToken, &delay, &cooldown,
		&from, &to, &age, &sh.MailRatePerSecond, &retry, &sh.MailFrom, &connected, &gone, &hook, &reconciled, &sh.ReconcileProblem, &created, &updated)
	sh.Lang = i18n.Lang(lang)
	sh.ReviewDelay, sh.Cooldown = time.Duration(delay)*time.Microsecond, time.Duration(cooldown)*time.Microsecond
	sh.MaxOrderAge, sh.MailRetryAfter = time.Duration(age)*time.Microsecond, time.Duration(retry)*time.Microsecond
	if from >= 0 {
		sh.QuietHours = &QuietHours{From: from, To: to}
	}
	sh.ConnectedAt, sh.UninstalledAt, sh.LastHookAt = db.Time(connected), db.Time(gone), db.Time(hook)
	sh.ReconciledAt, sh.CreatedAt, sh.UpdatedAt = db.Time(reconciled), db.Time(created), db.Time(updated)
	return sh, err
}

func get(ctx context.Context, q db.Queryer, where string, args ...any) (Shop, error) {
	sh, err := scan(q.QueryRow(ctx, `SELECT `+columns+` FROM shop WHERE `+where, args...))
	if errors.Is(err, sql.ErrNoRows) {
		return sh, errs.E(errs.NotFound, "shop.not_found", nil)
	}
	if err != nil {
		return sh, fmt.Errorf("shop: %w", err)
	}
	return sh, nil
}

// Uninstalled notes that the shop has removed the app: nothing is sent for it
// any more, and its token is dead. A late word from before the app was
// installed again changes nothing.
func (s *Service) Uninstalled(ctx context.Context, tx *db.Tx, id string, at time.Time) error {
	_, err := tx.Exec(ctx, `UPDATE shop SET uninstalled_us = $2, admin_token = '', updated_us = $3
		WHERE id = $1 AND uninstalled_us = 0 AND installed_us <= $2`, id, db.US(at), db.US(s.now()))
	if err != nil {
		return fmt.Errorf("uninstall shop %s: %w", id, err)
	}
	tx.AfterCommit(s.forget)
	return nil
}

// Installed notes that the shop has the app again.
func (s *Service) Installed(ctx context.Context, workspaceID, id string) error {
	n, err := s.d.Exec(ctx, `UPDATE shop SET uninstalled_us = 0, installed_us = $3, updated_us = $3 WHERE workspace_id = $1 AND id = $2`,
		workspaceID, id, db.US(s.now()))
	if err == nil && n == 0 {
		return errs.E(errs.NotFound, "shop.not_found", nil)
	}
	s.forget()
	return err
}

// Heard notes that a webhook of the shop came. Call it at most once a minute
// or so.
func (s *Service) Heard(ctx context.Context, tx *db.Tx, id string, at time.Time) error {
	_, err := tx.Exec(ctx, `UPDATE shop SET last_hook_us = $2 WHERE id = $1 AND last_hook_us < $2`, id, db.US(at))
	return err
}

// SameDomain reports whether the shop that a request names in a header is sh.
// A shop without a domain, or a request without the header, agrees.
func (s Shop) SameDomain(header string) bool {
	header = strings.ToLower(strings.TrimSpace(header))
	return header == "" || s.Domain == "" || header == s.Domain
}
