package order

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"imreport/internal/db"
)

// Apply takes one event inside a transaction and tells the listeners of what
// changed.
func (s *Service) Apply(ctx context.Context, tx *db.Tx, e Event) (Result, error) {
	all, err := s.ApplyAll(ctx, tx, []Event{e})
	if err != nil {
		return Result{}, err
	}
	return all[0], nil
}

// ApplyAll takes events, of one or several shops, inside a transaction; the
// results stand in their order. The listeners are told once per order that
// changed, with the last origin that changed it. At most some 1,000 events.
func (s *Service) ApplyAll(ctx context.Context, tx *db.Tx, events []Event) ([]Result, error) {
	results := make([]Result, len(events))
	byShop := map[string][]int{}
	for i, e := range events {
		byShop[e.ShopID] = append(byShop[e.ShopID], i)
	}
	shops := make([]string, 0, len(byShop))
	for id := range byShop {
		shops = append(shops, id)
	}
	slices.Sort(shops) // everybody locks in one order
	if err := planAnew(ctx, tx); err != nil {
		return nil, err
	}
	for _, id := range shops {
		todo := byShop[id]
		// A row that somebody else inserts between our look and our write is
		// there at the second look.
		for range 5 {
			b := &batch{shopID: id, events: events, todo: todo, results: results, tx: tx, q: tx, d: s.d}
			lost, err := b.run(ctx, s)
			if err != nil {
				return nil, fmt.Errorf("orders of shop %s: %w", id, err)
			}
			if todo = lost; len(todo) == 0 {
				break
			}
		}
		if len(todo) > 0 {
			return nil, fmt.Errorf("orders of shop %s: somebody else always wins", id)
		}
	}
	return results, nil
}

// planAnew has PostgreSQL plan each statement of the transaction for its own
// arguments. A plan that it keeps from when a table was young reads the whole
// of it, and goes on doing so while an import makes it grow (measured: 5,000
// rows a second instead of 20,000).
func planAnew(ctx context.Context, tx *db.Tx) error {
	if tx.DB().Dialect() != db.Postgres {
		return nil
	}
	_, err := tx.Exec(ctx, `SET LOCAL plan_cache_mode = force_custom_plan`)
	return err
}

// compare says what ApplyAll would do with the events of one shop, and writes
// nothing.
func (s *Service) compare(ctx context.Context, shopID string, events []Event) (results []Result, err error) {
	look := func(q db.Queryer) error {
		b := &batch{shopID: shopID, events: events, results: make([]Result, len(events)), q: q, d: s.d}
		for i := range events {
			b.todo = append(b.todo, i)
		}
		results = b.results
		_, err := b.run(ctx, s)
		return err
	}
	if s.d.Dialect() == db.Postgres {
		err = s.d.InTx(ctx, func(tx *db.Tx) error {
			if err := planAnew(ctx, tx); err != nil {
				return err
			}
			return look(tx)
		})
	} else {
		err = look(s.d)
	}
	if err != nil {
		return nil, fmt.Errorf("compare orders of shop %s: %w", shopID, err)
	}
	return results, nil
}

// batch is one pass over the events of one shop. Without a tx it only looks.
type batch struct {
	shopID  string
	events  []Event
	todo    []int // indices into events
	results []Result
	tx      *db.Tx
	q       db.Queryer
	d       *db.DB

	rows    map[string]*work // by external id
	byID    map[string]*work
	order   []*work // as first met
	aliases map[string]alias
	planned map[string]string // alias -> the order id that this batch offers for it
	fresh   map[string]string // external id -> id of the order that is missing
}

// work is a row at work.
type work struct {
	row
	before  *Order // nil: people did not see it before
	known   bool
	adopt   string // the real id that the provisional row takes
	touched []int  // events that reached it
	origin  Origin
	changed bool
}

type alias struct {
	orderID   string
	ambiguous bool
}

// Alias is the form in which order names are compared: "#1001" and "1001" are
// one.
func Alias(name string) string {
	return strings.ToLower(strings.TrimPrefix(strings.TrimSpace(norm.NFC.String(name)), "#"))
}

func (b *batch) run(ctx context.Context, s *Service) (lost []int, err error) {
	b.rows, b.byID, b.planned, b.fresh = map[string]*work{}, map[string]*work{}, map[string]string{}, map[string]string{}
	if err := b.load(ctx); err != nil {
		return nil, err
	}
	if err := b.names(ctx); err != nil {
		return nil, err
	}
	for _, i := range b.todo {
		w, code, err := b.resolve(ctx, b.events[i])
		if err != nil {
			return nil, err
		}
		if w == nil {
			b.results[i] = Result{Outcome: Refused, Code: code}
			continue
		}
		b.take(w, i)
	}
	if b.tx == nil {
		return nil, nil
	}
	if lost, err = b.write(ctx); err != nil {
		return nil, err
	}
	return lost, b.tell(ctx, s)
}

// lock ends a SELECT of rows that are about to change: SQLite's transaction
// has them to itself anyway.
func (b *batch) lock() string {
	if b.tx != nil && b.tx.DB().Dialect() == db.Postgres {
		return " FOR UPDATE"
	}
	return ""
}

func (b *batch) add(rows []row) {
	for _, r := range rows {
		w := &work{row: r, known: r.parts.known()}
		if w.known {
			o := r.order()
			w.before = &o
		}
		b.rows[r.externalID], b.byID[r.id] = w, w
	}
}

// load reads the rows that the events name.
func (b *batch) load(ctx context.Context) error {
	var ids []string
	seen := map[string]bool{}
	for _, i := range b.todo {
		if id := b.events[i].ExternalID; id != "" && !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	// No ORDER BY: PostgreSQL would rather walk the whole shop in that order
	// than sort. The index meets the ids in their order anyway; should two
	// batches lock each other out, one of them is done again.
	bind := b.d.Bind()
	rows, err := db.All(ctx, b.q, scanRow, `SELECT `+rowColumns+` FROM shop_order
		WHERE shop_id = `+bind.Add(b.shopID)+` AND external_id `+bind.In(ids)+b.lock(), bind.Args...)
	b.add(rows)
	return err
}

// names claims the aliases of the events, and learns whose they are.
func (b *batch) names(ctx context.Context) error {
	b.aliases = map[string]alias{}
	for _, i := range b.todo {
		e := b.events[i]
		a := Alias(e.Name)
		w := b.rows[e.ExternalID]
		id := ""
		switch {
		case e.ExternalID != "" && w != nil:
			id = w.id
		case e.ExternalID != "":
			if id = b.fresh[e.ExternalID]; id == "" {
				id = db.NewID()
				b.fresh[e.ExternalID] = id
			}
		default:
			id = db.NewID()
		}
		if a == "" || w != nil && slices.Contains(w.parts.Names, a) {
			continue
		}
		if _, ok := b.planned[a]; !ok {
			b.planned[a] = id
		}
	}
	if len(b.planned) == 0 {
		return nil
	}
	names := make([]string, 0, len(b.planned))
	for a := range b.planned {
		names = append(names, a)
	}
	slices.Sort(names)
	if err := b.claim(ctx, names); err != nil {
		return err
	}
	// The rows that hold names which this batch wanted.
	var others []string
	for _, a := range names {
		if got, ok := b.aliases[a]; ok && got.orderID != b.planned[a] && b.byID[got.orderID] == nil {
			others = append(others, got.orderID)
		}
	}
	if len(others) == 0 {
		return nil
	}
	bind := b.d.Bind()
	rows, err := db.All(ctx, b.q, scanRow, `SELECT `+rowColumns+` FROM shop_order
		WHERE id `+bind.In(others)+b.lock(), bind.Args...)
	b.add(rows)
	return err
}

func (b *batch) claim(ctx context.Context, names []string) error {
	bind := b.d.Bind()
	text := ""
	if b.tx == nil {
		text = `SELECT alias, order_id, ambiguous FROM order_alias WHERE shop_id = ` + bind.Add(b.shopID) + ` AND alias ` + bind.In(names)
	} else {
		ids := make([]string, len(names))
		for i, a := range names {
			ids[i] = b.planned[a]
		}
		// DO UPDATE, not DO NOTHING: it locks the alias and returns it.
		text = `INSERT INTO order_alias (shop_id, alias, order_id, ambiguous) ` +
			bind.Rows(slices.Repeat([]string{b.shopID}, len(names)), names, ids, make([]bool, len(names))) +
			` ON CONFLICT (shop_id, alias) DO UPDATE SET shop_id = excluded.shop_id RETURNING alias, order_id, ambiguous`
	}
	rows, err := b.q.Query(ctx, text, bind.Args...)
	if err != nil {
		return fmt.Errorf("claim names: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var a alias
		if err := rows.Scan(&name, &a.orderID, &a.ambiguous); err != nil {
			return err
		}
		b.aliases[name] = a
	}
	return rows.Err()
}

// resolve finds the row of an event, or makes it. A nil row comes with the
// code of why the event is refused.
func (b *batch) resolve(ctx context.Context, e Event) (*work, string, error) {
	name := Alias(e.Name)
	got, claimed := b.aliases[name]
	if e.ExternalID == "" {
		switch {
		case name == "":
			return nil, "order_id_missing", nil
		case claimed && got.ambiguous:
			return nil, "name_ambiguous", nil
		}
		id := b.planned[name]
		if claimed {
			id = got.orderID
		}
		if w := b.byID[id]; w != nil {
			return w, "", nil
		}
		w := b.make(id, provisionalPrefix+name)
		if claimed && got.orderID != b.planned[name] { // its order is gone: take the name over
			w.id = b.planned[name]
			return w, "", b.point(ctx, name, w.id)
		}
		return w, "", nil
	}
	if w := b.rows[e.ExternalID]; w != nil {
		return w, "", nil
	}
	id := b.fresh[e.ExternalID]
	if !claimed || got.orderID == id {
		return b.make(id, e.ExternalID), "", nil
	}
	holder := b.byID[got.orderID]
	switch {
	case holder == nil: // its order is gone, or it belongs to a row of this batch that comes later
		if b.planned[name] == got.orderID {
			return b.make(id, e.ExternalID), "", b.blur(ctx, name)
		}
		return b.make(id, e.ExternalID), "", b.point(ctx, name, id)
	case strings.HasPrefix(holder.externalID, provisionalPrefix) && holder.adopt == "":
		holder.adopt = e.ExternalID
		b.rows[e.ExternalID] = holder
		return holder, "", nil
	}
	return b.make(id, e.ExternalID), "", b.blur(ctx, name)
}

func (b *batch) make(id, externalID string) *work {
	if id == "" {
		id = db.NewID()
	}
	w := &work{row: row{id: id, shopID: b.shopID, externalID: externalID}}
	b.rows[externalID], b.byID[id] = w, w
	return w
}

// point gives a name to an order, when the one that had it is no more.
func (b *batch) point(ctx context.Context, name, id string) error {
	b.aliases[name] = alias{orderID: id}
	if b.tx == nil {
		return nil
	}
	_, err := b.tx.Exec(ctx, `UPDATE order_alias SET order_id = $3 WHERE shop_id = $1 AND alias = $2`, b.shopID, name, id)
	return err
}

// blur notes that two orders have one name: files that know only the name
// cannot tell them apart.
func (b *batch) blur(ctx context.Context, name string) error {
	a := b.aliases[name]
	if a.ambiguous {
		return nil
	}
	a.ambiguous = true
	b.aliases[name] = a
	if b.tx == nil {
		return nil
	}
	_, err := b.tx.Exec(ctx, `UPDATE order_alias SET ambiguous = TRUE WHERE shop_id = $1 AND alias = $2`, b.shopID, name)
	return err
}

// namesKept bounds how many names of an order are remembered in its row.
const namesKept = 8

// take lets an event work on its row.
func (b *batch) take(w *work, i int) {
	e := b.events[i]
	if len(w.touched) == 0 {
		b.order = append(b.order, w)
	}
	w.touched = append(w.touched, i)
	was := w.parts
	seen := w.before
	if len(w.touched) > 1 && w.parts.known() {
		o := w.row.order()
		seen = &o
	}
	gone := w.parts.Deleted != 0 || w.parts.Erased != 0
	w.parts.take(e)
	if a := Alias(e.Name); a != "" && !slices.Contains(w.parts.Names, a) && len(w.parts.Names) < namesKept {
		w.parts.Names = append(slices.Clone(w.parts.Names), a)
	}
	after := w.row.order()
	if w.adopt != "" {
		after.ExternalID, after.Provisional = w.adopt, false
	}
	r := Result{Order: after}
	switch {
	case gone && e.File != nil && w.parts.Erased != 0:
		r = Result{Outcome: Refused, Code: "order_erased"}
	case gone && e.File != nil:
		r = Result{Outcome: Refused, Code: "order_deleted"}
	case seen == nil && w.parts.known():
		r.Outcome = Added
	case seen != nil && !sameToPeople(*seen, after):
		r.Outcome = Updated
	}
	b.results[i] = r
	if w.adopt != "" || !reflect.DeepEqual(was, w.parts) {
		live := w.origin.Live
		w.changed, w.origin = true, e.Origin
		w.origin.Live = w.origin.Live || live
	}
}

// sameToPeople compares all that is shown; that it became live is not.
func sameToPeople(a, b Order) bool {
	a.Live = b.Live
	return reflect.DeepEqual(a, b)
}

// write stores the rows that changed and returns the events of those that
// somebody else inserted meanwhile.
func (b *batch) write(ctx context.Context) (lost []int, err error) {
	var changed []*work
	for _, w := range b.order {
		if !w.changed {
			continue
		}
		if w.adopt != "" {
			if w.rev > 0 {
				if _, err := b.tx.Exec(ctx, `UPDATE shop_order SET external_id = $2 WHERE id = $1`, w.id, w.adopt); err != nil {
					return nil, fmt.Errorf("adopt order %s: %w", w.id, err)
				}
			}
			w.externalID, w.adopt = w.adopt, ""
		}
		changed = append(changed, w)
	}
	slices.SortFunc(changed, func(a, b *work) int { return strings.Compare(a.externalID, b.externalID) })
	for chunk := range slices.Chunk(changed, 500) {
		written, err := b.upsert(ctx, chunk)
		if err != nil {
			return nil, err
		}
		for _, w := range chunk {
			if written[w.externalID] {
				continue
			}
			// The names that were claimed for our row go to the one that won.
			if _, err := b.tx.Exec(ctx, `UPDATE order_alias SET order_id = (SELECT id FROM shop_order WHERE shop_id = $1 AND external_id = $2)
				WHERE shop_id = $1 AND order_id = $3`, b.shopID, w.externalID, w.id); err != nil {
				return nil, fmt.Errorf("names of order %s: %w", w.externalID, err)
			}
			lost = append(lost, w.touched...)
			w.changed = false
		}
	}
	slices.Sort(lost)
	return lost, nil
}

func (b *batch) upsert(ctx context.Context, chunk []*work) (written map[string]bool, err error) {
	var id, external, name, email, status, source, parts []string
	var gone []bool
	var created, rev []int64
	for _, w := range chunk {
		o := w.row.order()
		from := string(o.Source)
		if !w.parts.known() {
			from = ""
		}
		id, external, name, email = append(id, w.id), append(external, w.externalID), append(name, o.Name), append(email, o.Email)
		status, source, gone = append(status, o.status()), append(source, from), append(gone, o.Gone())
		created, parts, rev = append(created, db.US(o.CreatedAt)), append(parts, string(asJSON(w.parts))), append(rev, w.rev+1)
	}
	bind := b.d.Bind()
	ids, err := db.All(ctx, b.tx, db.Value[string], `INSERT INTO shop_order (shop_id, id, external_id, name, email, status, source, gone, created_us, parts, rev) `+
		bind.Rows(slices.Repeat([]string{b.shopID}, len(chunk)), id, external, name, email, status, source, gone, created, parts, rev)+
		` ON CONFLICT (shop_id, external_id) DO UPDATE SET name = excluded.name, email = excluded.email, status = excluded.status,
		source = excluded.source, gone = excluded.gone, created_us = excluded.created_us, parts = excluded.parts, rev = excluded.rev
		WHERE shop_order.rev = excluded.rev - 1 RETURNING external_id`, bind.Args...)
	if err != nil {
		return nil, fmt.Errorf("upsert: %w", err)
	}
	written = make(map[string]bool, len(ids))
	for _, id := range ids {
		written[id] = true
	}
	return written, nil
}

// status is the one word that lists filter by.
func (o Order) status() string {
	if !o.CancelledAt.IsZero() {
		return "cancelled"
	}
	return cmp.Or(o.FulfillmentStatus, o.FinancialStatus)
}

// tell tells the listeners of every order that changed.
func (b *batch) tell(ctx context.Context, s *Service) error {
	for _, w := range b.order {
		after := w.row.order()
		if !w.changed || !w.parts.known() || w.before == nil && after.Gone() {
			continue
		}
		for _, fn := range s.listeners {
			if err := fn(ctx, b.tx, w.before, after, w.origin); err != nil {
				return fmt.Errorf("order %s: %w", w.externalID, err)
			}
		}
	}
	return nil
}

// isMissing reports that a row is not there.
func isMissing(err error) bool { return errors.Is(err, sql.ErrNoRows) }
