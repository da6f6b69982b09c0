package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"imreport/internal/db"
	"imreport/internal/errs"
)

// Settings are how a shop asks, beside what shop.Shop says.
type Settings struct {
	ReminderDelay time.Duration // after the request; 0: no reminder
	Reminders     int           // how many, 0 to 3
	LinkDays      int           // how long a review link lives
	Hold          bool          // reviews wait for the shop's word
	MayEdit       bool          // customers may change what they wrote
	Incentivised  bool          // reviews are rewarded; it is said beside them
	SenderBlock   string        // what advertising mail says of its sender
	OptOutTag     string        // orders with this tag are not asked about

	StoppedAt  time.Time // nothing goes out; zero: it does
	StoppedWhy Stop
	watchedUS  int64
}

// Stop is why a shop's mails are stopped.
type Stop string

// The stops.
const (
	StopBounces    Stop = "bounces"
	StopComplaints Stop = "complaints"
	StopRefused    Stop = "refused" // the mail server refuses us, not the addresses
	StopPerson     Stop = "person"
)

// Stopped reports whether nothing goes out.
func (s Settings) Stopped() bool { return !s.StoppedAt.IsZero() }

func defaults() Settings { return Settings{LinkDays: 90, OptOutTag: "no-review"} }

// Settings of a shop.
func (s *Service) Settings(ctx context.Context, shopID string) (Settings, error) {
	return settings(ctx, s.d, shopID)
}

func settings(ctx context.Context, q db.Queryer, shopID string) (v Settings, err error) {
	var delay, stopped int64
	err = q.QueryRow(ctx, `SELECT reminder_delay_us, reminders, link_days, hold, may_edit, incentivised, sender_block, opt_out_tag,
			stopped_us, stopped_why, watched_us FROM review_setting WHERE shop_id = $1`, shopID).
		Scan(&delay, &v.Reminders, &v.LinkDays, &v.Hold, &v.MayEdit, &v.Incentivised, &v.SenderBlock, &v.OptOutTag,
			&stopped, &v.StoppedWhy, &v.watchedUS)
	if errors.Is(err, sql.ErrNoRows) {
		return defaults(), nil
	}
	if err != nil {
		return v, fmt.Errorf("review settings of shop %s: %w", shopID, err)
	}
	v.ReminderDelay, v.StoppedAt = time.Duration(delay)*time.Microsecond, db.Time(stopped)
	return v, nil
}

// SettingsInput changes Settings; nil members stay.
type SettingsInput struct {
	ReminderDelay *time.Duration
	Reminders     *int
	LinkDays      *int
	Hold          *bool
	MayEdit       *bool
	Incentivised  *bool
	SenderBlock   *string
	OptOutTag     *string
}

const (
	remindersMax   = 3
	linkDaysMax    = 730
	senderBlockMax = 500 // characters
	reminderMax    = 180 * 24 * time.Hour
)

// Check says what is wrong with in, whatever shop it is for.
func (in SettingsInput) Check() error {
	v := defaults()
	return in.apply(&v)
}

// SetSettings changes what in names.
func (s *Service) SetSettings(ctx context.Context, shopID string, in SettingsInput) (v Settings, err error) {
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		if v, err = lockSettings(ctx, tx, shopID, db.US(s.now())); err != nil {
			return err
		}
		if err := in.apply(&v); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE review_setting SET reminder_delay_us = $2, reminders = $3, link_days = $4, hold = $5, may_edit = $6,
				incentivised = $7, sender_block = $8, opt_out_tag = $9, updated_us = $10 WHERE shop_id = $1`,
			shopID, v.ReminderDelay.Microseconds(), v.Reminders, v.LinkDays, v.Hold, v.MayEdit, v.Incentivised, v.SenderBlock, v.OptOutTag, db.US(s.now()))
		if err != nil {
			return fmt.Errorf("write review settings of shop %s: %w", shopID, err)
		}
		return nil
	})
	return v, err
}

// lockSettings makes the row when there is none, and locks it.
func lockSettings(ctx context.Context, tx *db.Tx, shopID string, at int64) (Settings, error) {
	d := defaults()
	_, err := tx.Exec(ctx, `INSERT INTO review_setting (shop_id, reminder_delay_us, reminders, link_days, hold, may_edit, incentivised,
			sender_block, opt_out_tag, stopped_us, stopped_why, watched_us, updated_us)
		VALUES ($1, 0, 0, $2, $3, $3, $3, '', $4, 0, '', 0, $5)
		ON CONFLICT (shop_id) DO UPDATE SET updated_us = excluded.updated_us`, shopID, d.LinkDays, false, d.OptOutTag, at)
	if err != nil {
		return d, fmt.Errorf("lock review settings of shop %s: %w", shopID, err)
	}
	return settings(ctx, tx, shopID)
}

func (in SettingsInput) apply(v *Settings) error {
	var wrong []errs.Field
	bad := func(name, key string, args ...any) {
		wrong = append(wrong, errs.Field{Name: name, Key: key, Args: args})
	}
	if in.ReminderDelay != nil {
		if v.ReminderDelay = *in.ReminderDelay; v.ReminderDelay < 0 || v.ReminderDelay > reminderMax {
			bad("reminder_delay", "review.setting.reminder_delay", days(reminderMax))
		}
	}
	if in.Reminders != nil {
		if v.Reminders = *in.Reminders; v.Reminders < 0 || v.Reminders > remindersMax {
			bad("reminders", "review.setting.reminders", remindersMax)
		}
	}
	if in.LinkDays != nil {
		if v.LinkDays = *in.LinkDays; v.LinkDays < 1 || v.LinkDays > linkDaysMax {
			bad("link_days", "review.setting.link_days", linkDaysMax)
		}
	}
	for _, b := range []struct {
		from *bool
		to   *bool
	}{{in.Hold, &v.Hold}, {in.MayEdit, &v.MayEdit}, {in.Incentivised, &v.Incentivised}} {
		if b.from != nil {
			*b.to = *b.from
		}
	}
	for _, t := range []struct {
		name string
		from *string
		to   *string
		most int
	}{{"sender_block", in.SenderBlock, &v.SenderBlock, senderBlockMax}, {"opt_out_tag", in.OptOutTag, &v.OptOutTag, 100}} {
		if t.from == nil {
			continue
		}
		if *t.to = strings.TrimSpace(*t.from); utf8.RuneCountInString(*t.to) > t.most {
			bad(t.name, "review.setting.too_long", t.most)
		}
	}
	if v.Reminders > 0 && v.ReminderDelay == 0 && len(wrong) == 0 {
		v.ReminderDelay = 7 * 24 * time.Hour
	}
	if len(wrong) > 0 {
		return errs.InvalidFields(wrong...)
	}
	return nil
}
