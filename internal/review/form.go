package review

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"imreport/internal/db"
	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/internal/order"
	"imreport/internal/shop"
)

// Form is the page behind a review link: all lines of an order, or what was
// written about them.
type Form struct {
	ShopID       string
	Shop         string
	OrderID      string
	OrderName    string
	Lang         i18n.Lang // of the mail
	Lines        []FormLine
	Written      bool
	WrittenAt    time.Time
	MayEdit      bool
	Incentivised bool
	DraftAt      time.Time // zero: nothing was typed yet
}

// FormLine is one product of the order.
type FormLine struct {
	Key     string // names the line in the form
	Product string
	Stars   int // 0: none chosen
	Text    string
	Photos  []Photo
	Review  *Review // once written
	product string  // the shop's id of the product
}

// Answer is what a customer says about one line.
type Answer struct {
	Stars int    `json:"s,omitempty"`
	Text  string `json:"t,omitempty"`
}

// Answers are what a customer says, by line.
type Answers map[string]Answer

const (
	reviewMax = 5000 // characters
	linesMax  = 50   // of an order, on the page
)

// openLink reads what stands behind a review link. Errors: review.link_unknown
// (404), review.link_expired (410).
func (s *Service) openLink(ctx context.Context, token string) (m Message, o order.Order, sh shop.Shop, v Settings, err error) {
	if m, err = s.byToken(ctx, forReview, token); err != nil {
		return m, o, sh, v, err
	}
	unknown := errs.E(errs.NotFound, "review.link_unknown", nil)
	if o, err = s.orders.ByID(ctx, nil, m.OrderID); err != nil {
		if errs.KindOf(err) == errs.NotFound {
			err = unknown
		}
		return m, o, sh, v, err
	}
	if !o.ErasedAt.IsZero() {
		return m, o, sh, v, unknown
	}
	if sh, err = s.shops.ByID(ctx, nil, m.ShopID); err != nil {
		return m, o, sh, v, err
	}
	v, err = s.Settings(ctx, m.ShopID)
	return m, o, sh, v, err
}

// Open is the page behind a review link. It changes nothing: mail scanners
// open links too. Errors: review.link_unknown (404), review.link_expired (410).
func (s *Service) Open(ctx context.Context, token string) (Form, error) {
	m, o, sh, v, err := s.openLink(ctx, token)
	if err != nil {
		return Form{}, err
	}
	f, err := s.form(ctx, s.d, m, o, sh, v)
	if err != nil || f.Written {
		return f, err
	}
	return f, s.alive(m, o, v)
}

// alive is nil while a link may still be used to write.
func (s *Service) alive(m Message, o order.Order, v Settings) error {
	from := m.SentAt
	if from.IsZero() {
		from = m.UpdatedAt
	}
	if o.Gone() || s.now().After(from.AddDate(0, 0, v.LinkDays)) {
		return errs.E(errs.Gone, "review.link_expired", nil)
	}
	return nil
}

func (s *Service) form(ctx context.Context, q db.Queryer, m Message, o order.Order, sh shop.Shop, v Settings) (Form, error) {
	f := Form{ShopID: sh.ID, Shop: sh.Name, OrderID: o.ID, OrderName: orderName(o), Lang: langOf(sh, o), MayEdit: v.MayEdit, Incentivised: v.Incentivised,
		Lines: formLines(o, sh)}
	var draft string
	var at, submitted int64
	err := q.QueryRow(ctx, `SELECT draft, draft_us, submitted_us FROM review_form WHERE shop_id = $1 AND order_id = $2`, sh.ID, o.ID).Scan(&draft, &at, &submitted)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return f, fmt.Errorf("form of order %s: %w", o.ID, err)
	}
	f.DraftAt, f.WrittenAt, f.Written = db.Time(at), db.Time(submitted), submitted > 0
	said := Answers{}
	if draft != "" {
		if err := json.Unmarshal([]byte(draft), &said); err != nil {
			return f, fmt.Errorf("draft of order %s: %w", o.ID, err)
		}
	}
	photos, err := s.photosOf(ctx, q, sh.ID, o.ID)
	if err != nil {
		return f, err
	}
	written := map[string]*Review{}
	if f.Written {
		all, err := s.reviewsOf(ctx, q, sh.ID, o.ID)
		if err != nil {
			return f, err
		}
		for i := range all {
			written[all[i].Line] = &all[i]
			f.Lines = withLine(f.Lines, all[i])
		}
	}
	for i := range f.Lines {
		l := &f.Lines[i]
		l.Photos, l.Review = photos[l.Key], written[l.Key]
		l.Stars, l.Text = said[l.Key].Stars, said[l.Key].Text
		if l.Review != nil {
			l.Stars, l.Text = l.Review.Stars, l.Review.Text
		}
	}
	return f, nil
}

// withLine adds the line of a review whose product has left the order since.
func withLine(lines []FormLine, r Review) []FormLine {
	for _, l := range lines {
		if l.Key == r.Line {
			return lines
		}
	}
	return append(lines, FormLine{Key: r.Line, Product: r.Product, product: r.ProductID})
}

// formLines are the products of an order, each once; an order without any (a
// file that names none) is asked about as a whole.
func formLines(o order.Order, sh shop.Shop) []FormLine {
	var out []FormLine
	seen := map[string]bool{}
	for i, l := range o.Reviewable() {
		key := l.ID
		if key == "" {
			key = "n" + strconv.Itoa(i)
		}
		product := l.ProductID
		if product == "" {
			product = l.SKU
		}
		same := product + "\x00" + l.Title
		if seen[same] || len(out) == linesMax {
			continue
		}
		seen[same] = true
		out = append(out, FormLine{Key: key, Product: l.Title, product: product})
	}
	if len(out) == 0 {
		out = []FormLine{{Key: "order", Product: sh.Name}}
	}
	return out
}

// SaveDraft keeps what is typed so far, while the review is not written.
func (s *Service) SaveDraft(ctx context.Context, token string, a Answers) error {
	m, o, sh, v, err := s.openLink(ctx, token)
	if err != nil {
		return err
	}
	if err := s.alive(m, o, v); err != nil {
		return err
	}
	raw, err := json.Marshal(tidy(a, formLines(o, sh)))
	if err != nil {
		return err
	}
	_, err = s.d.Exec(ctx, `INSERT INTO review_form (shop_id, order_id, draft, draft_us, submitted_us, message_id) VALUES ($1, $2, $3, $4, 0, $5)
		ON CONFLICT (shop_id, order_id) DO UPDATE SET draft = excluded.draft, draft_us = excluded.draft_us WHERE review_form.submitted_us = 0`,
		sh.ID, o.ID, string(raw), db.US(s.now()), m.ID)
	if err != nil {
		return fmt.Errorf("keep draft of order %s: %w", o.ID, err)
	}
	return nil
}

// tidy keeps what belongs to lines of the form, within its bounds.
func tidy(a Answers, lines []FormLine) Answers {
	out := Answers{}
	for _, l := range lines {
		v, ok := a[l.Key]
		if !ok {
			continue
		}
		v.Text = clean(strings.TrimSpace(strings.ReplaceAll(v.Text, "\r\n", "\n")))
		if r := []rune(v.Text); len(r) > reviewMax {
			v.Text = string(r[:reviewMax])
		}
		if v.Stars < 1 || v.Stars > 5 {
			v.Stars = 0
		}
		if v.Stars > 0 || v.Text != "" {
			out[l.Key] = v
		}
	}
	return out
}

// Submit writes the review of an order, once however often it is sent: later
// ones see what was written, and first is false. edit changes it, where the
// shop lets customers do so. The error review.stars_missing names lines with
// words and no stars.
func (s *Service) Submit(ctx context.Context, token string, a Answers, edit bool) (f Form, first bool, err error) {
	m, o, sh, v, err := s.openLink(ctx, token)
	if err != nil {
		return Form{}, false, err
	}
	if f, err = s.form(ctx, s.d, m, o, sh, v); err != nil {
		return f, false, err
	}
	if f.Written && !(edit && v.MayEdit) {
		return f, false, nil
	}
	if err := s.alive(m, o, v); err != nil {
		return f, false, err
	}
	if err := checkAnswers(a, f.Lines); err != nil {
		return f, false, err
	}
	a = tidy(a, f.Lines)
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		first = false
		at := s.now()
		rows, err := tx.Exec(ctx, `INSERT INTO review_form (shop_id, order_id, draft, draft_us, submitted_us, message_id) VALUES ($1, $2, '', 0, $3, $4)
			ON CONFLICT (shop_id, order_id) DO UPDATE SET draft = '', submitted_us = excluded.submitted_us, message_id = excluded.message_id
			WHERE review_form.submitted_us = 0`, sh.ID, o.ID, db.US(at), m.ID)
		if err != nil {
			return fmt.Errorf("submit review of order %s: %w", o.ID, err)
		}
		first = rows > 0
		if !first && !(edit && v.MayEdit) {
			return nil // sent twice: the other one was first
		}
		for _, l := range f.Lines {
			if said, ok := a[l.Key]; ok && said.Stars > 0 {
				if err := s.put(ctx, tx, f, l, o, v, said, at); err != nil {
					return err
				}
			}
		}
		if !first {
			return nil
		}
		return s.answered(ctx, tx, m, at)
	})
	if err != nil {
		return f, false, err
	}
	f, err = s.form(ctx, s.d, m, o, sh, v)
	return f, first, err
}

func checkAnswers(a Answers, lines []FormLine) error {
	var wrong []errs.Field
	starred := false
	for _, l := range lines {
		v := a[l.Key]
		switch {
		case v.Stars < 0 || v.Stars > 5, v.Stars == 0 && strings.TrimSpace(v.Text) != "":
			wrong = append(wrong, errs.Field{Name: "stars." + l.Key, Key: "review.stars_missing", Args: []any{l.Product}})
		case utf8.RuneCountInString(v.Text) > reviewMax:
			wrong = append(wrong, errs.Field{Name: "text." + l.Key, Key: "review.text_too_long", Args: []any{reviewMax}})
		}
		starred = starred || v.Stars > 0
	}
	if !starred && len(wrong) == 0 {
		wrong = append(wrong, errs.Field{Name: "stars." + lines[0].Key, Key: "review.stars_missing", Args: []any{lines[0].Product}})
	}
	if len(wrong) > 0 {
		return errs.InvalidFields(wrong...)
	}
	return nil
}

// put writes the review of one line.
func (s *Service) put(ctx context.Context, tx *db.Tx, f Form, l FormLine, o order.Order, v Settings, a Answer, at time.Time) error {
	state := Published
	if v.Hold {
		state = Pending
	}
	id := db.NewID()
	err := tx.QueryRow(ctx, `INSERT INTO review (id, shop_id, order_id, line, product_id, product, order_name, stars, body, author, lang, state, reply, incentivised, created_us, updated_us)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, '', $13, $14, $14)
		ON CONFLICT (shop_id, order_id, line) DO UPDATE SET stars = excluded.stars, body = excluded.body, updated_us = excluded.updated_us,
			state = CASE WHEN review.state = 'hidden' THEN review.state ELSE excluded.state END
		RETURNING id, state`,
		id, f.ShopID, f.OrderID, l.Key, l.product, l.Product, f.OrderName, a.Stars, a.Text, Author(o.CustomerName), string(f.Lang), string(state), v.Incentivised, db.US(at)).
		Scan(&id, &state)
	if err != nil {
		return fmt.Errorf("write review of order %s: %w", f.OrderID, err)
	}
	return logReview(ctx, tx, id, state, "", "", at)
}

// answered ends what waits for the order, and resolves an unknown fate: whoever
// writes a review has got the mail.
func (s *Service) answered(ctx context.Context, tx *db.Tx, m Message, at time.Time) error {
	all, err := db.All(ctx, tx, scanMessage, `SELECT `+messageColumns+` FROM message WHERE shop_id = $1 AND order_id = $2`, m.ShopID, m.OrderID)
	if err != nil {
		return fmt.Errorf("messages of order %s: %w", m.OrderID, err)
	}
	for i := range all {
		have := &all[i]
		switch {
		case have.State.Pending():
			_, err = move(ctx, tx, have, []State{have.State}, note{state: Skipped, reason: AlreadyReviewed, at: at}, "")
		case have.State == Unknown && have.ID == m.ID:
			_, err = move(ctx, tx, have, []State{Unknown}, note{state: Sent, reason: Evidence, at: at}, `sent_us = $6`, db.US(at))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Author is a name as it is shown beside a review: 김*민, J*** K***.
func Author(name string) string {
	r := []rune(strings.TrimSpace(name))
	switch {
	case len(r) == 0:
		return ""
	case len(r) <= 4 && r[0] >= '가' && r[0] <= '힣':
		for i := 1; i < len(r) && (i < len(r)-1 || len(r) == 2); i++ {
			r[i] = '*'
		}
		return string(r)
	}
	var out []string
	for w := range strings.FieldsSeq(string(r)) {
		out = append(out, string([]rune(w)[:1])+"***")
	}
	return strings.Join(out, " ")
}
