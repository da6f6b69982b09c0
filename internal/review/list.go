package review

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"imreport/internal/db"
	"imreport/internal/errs"
	"imreport/internal/i18n"
)

// ref is a reason as an argument of another sentence.
func (r Reason) ref(args []string) i18n.Text { return said{r, args} }

type said struct {
	r    Reason
	args []string
}

// In is the reason in words.
func (s said) In(l i18n.Lang) string { return s.r.Text(l, s.args) }

// Filter picks messages of a shop.
type Filter struct {
	States  []State `json:"states,omitempty"`
	Kind    Kind    `json:"kind,omitempty"`
	Reason  Reason  `json:"reason,omitempty"`
	OrderID string  `json:"order_id,omitempty"`
	// Search is an order's name ("#1001" or "1001"), its id in the shop, or a
	// whole mail address.
	Search string `json:"q,omitempty"`
}

// check says what is wrong with f.
func (f Filter) check() error {
	for _, st := range f.States {
		if !slices.Contains(States, st) {
			return errs.InvalidField("state", "review.state_unknown", string(st))
		}
	}
	if f.Kind != "" && f.Kind != Request && f.Kind != Reminder {
		return errs.InvalidField("kind", "review.kind_unknown", string(f.Kind))
	}
	return nil
}

// where is f as SQL: alternatives that are each read from an index, newest
// first, and joined. args begin at $2; $1 is the shop.
func (s *Service) where(shopID string, f Filter) (alternatives []string, args []any) {
	args = []any{shopID}
	arg := func(v any) string { args = append(args, v); return "$" + strconv.Itoa(len(args)) }
	base := "shop_id = $1"
	if f.Kind != "" {
		base += " AND kind = " + arg(string(f.Kind))
	}
	if f.Reason != "" {
		base += " AND reason = " + arg(string(f.Reason))
	}
	if f.OrderID != "" {
		base += " AND order_id = " + arg(f.OrderID)
	}
	alternatives = []string{base}
	if q := strings.TrimSpace(f.Search); q != "" {
		// PostgreSQL wants every argument to be used.
		if strings.Contains(q, "@") {
			alternatives = []string{base + " AND addr_hash = " + arg(s.hash(q))}
		} else {
			alternatives = []string{base + " AND find = " + arg(find(q)), base + " AND external_id = " + arg(q)}
		}
	}
	if len(f.States) == 0 {
		return alternatives, args
	}
	// One alternative per state: each is the head of an index, and the newest
	// of all is among the newest of each.
	var split []string
	for _, a := range alternatives {
		for _, st := range f.States {
			split = append(split, a+" AND state = '"+string(st)+"'") // checked
		}
	}
	return split, args
}

// List is a page of a shop's messages, the newest first, before the id cursor
// when it is not empty.
func (s *Service) List(ctx context.Context, shopID string, f Filter, cursor string, limit int) ([]Message, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	if cursor == "" {
		cursor = "~" // after every id
	}
	alternatives, args := s.where(shopID, f)
	args = append(args, cursor, limit)
	tail := fmt.Sprintf(" AND id < $%d ORDER BY id DESC LIMIT $%d", len(args)-1, len(args))
	var parts []string
	for _, a := range alternatives {
		parts = append(parts, "SELECT * FROM (SELECT "+messageColumns+" FROM message WHERE "+a+tail+") part")
	}
	q := strings.Join(parts, " UNION ") + fmt.Sprintf(" ORDER BY id DESC LIMIT $%d", len(args))
	all, err := db.All(ctx, s.d, scanMessage, q, args...)
	if err != nil {
		return nil, fmt.Errorf("list messages: %w", err)
	}
	return all, s.held(ctx, shopID, all)
}

// held says at messages that would go but for their shop why they do not: it
// has stopped, or removed the app. The messages stay as they are and go when
// the shop goes on.
func (s *Service) held(ctx context.Context, shopID string, all []Message) error {
	if !slices.ContainsFunc(all, func(m Message) bool { return m.State.Pending() }) {
		return nil
	}
	sh, err := s.shops.ByID(ctx, s.d, shopID)
	if err != nil {
		return err
	}
	set, err := s.Settings(ctx, shopID)
	if err != nil {
		return err
	}
	why := Reason("")
	switch {
	case !sh.UninstalledAt.IsZero():
		why = Uninstalled
	case set.Stopped():
		why = ShopStopped
	}
	for i := range all {
		if why != "" && all[i].State.Pending() {
			all[i].Reason, all[i].Args = why, nil
		}
	}
	return nil
}

// countMost bounds how far Counts counts: beyond it the list says "and more".
const countMost = 1000

// Counts says how many messages of a shop are in each state, up to 1,000 each.
func (s *Service) Counts(ctx context.Context, shopID string) (map[State]int, error) {
	n := map[State]int{}
	for _, st := range States {
		var c int
		err := s.d.QueryRow(ctx, `SELECT count(*) FROM (SELECT 1 FROM message WHERE shop_id = $1 AND state = $2 LIMIT $3) part`, shopID, string(st), countMost).Scan(&c)
		if err != nil {
			return nil, fmt.Errorf("count messages: %w", err)
		}
		n[st] = c
	}
	return n, nil
}

// count says how many messages f picks, up to most.
func (s *Service) count(ctx context.Context, shopID string, f Filter, most int) (n int, err error) {
	alternatives, args := s.where(shopID, f)
	args = append(args, most)
	var parts []string
	for _, a := range alternatives {
		parts = append(parts, fmt.Sprintf("SELECT * FROM (SELECT id FROM message WHERE %s LIMIT $%d) part", a, len(args)))
	}
	err = s.d.QueryRow(ctx, "SELECT count(*) FROM ("+strings.Join(parts, " UNION ")+") picked", args...).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count messages: %w", err)
	}
	return min(n, most), nil
}
