package order

import (
	"context"
	"reflect"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"imreport/internal/db"
)

// life is five events of one order, two pairs in the same second, and what
// they must end in: the events of docs/orders.md.
func life(id string) ([]Event, Order) {
	parcel := Parcel{ID: "4", Status: parcelSuccess, Created: (epoch.Unix() + 9) * 1e6, Updated: (epoch.Unix() + 9) * 1e6}
	shipped := func(s *Snapshot) { s.Fulfillment = Fulfilled }
	events := []Event{
		snap(id, 0, 100, func(s *Snapshot) { s.Financial = "pending" }),
		snap(id, 0, 200, nil),
		snap(id, 9, 100, shipped),
		snap(id, 9, 300, func(s *Snapshot) { shipped(s); s.Financial = PartiallyRefunded; s.Email = "new@example.com" }),
		{ExternalID: id, Origin: Origin{Source: Webhook, Live: true}, Refunds: []Refund{{ID: "3", Lines: []RefundLine{{"2", 1}}}}},
	}
	events[2].Parcels = []Parcel{parcel}
	events[3].Parcels = []Parcel{parcel}
	w := row{externalID: id}
	for _, e := range events {
		w.parts.take(e)
	}
	return events, w.order()
}

func sameOrder(a, b Order) bool {
	a.ID, a.ShopID, b.ID, b.ShopID = "", "", "", ""
	return reflect.DeepEqual(a, b)
}

// permutations calls fn with every arrangement of a multiset of indices.
func permutations(counts []int, left int, seq []int, fn func([]int)) {
	if left == 0 {
		fn(seq)
		return
	}
	for i := range counts {
		if counts[i] > 0 {
			counts[i]--
			permutations(counts, left-1, append(seq, i), fn)
			counts[i]++
		}
	}
}

func TestEverySequenceWithRepeatsEndsInTheSameOrder(t *testing.T) {
	events, want := life("7")
	if want.FinancialStatus != PartiallyRefunded || want.Email != "new@example.com" || len(want.Reviewable()) != 1 || want.FulfilledAt.Unix() != epoch.Unix()+9 {
		t.Fatalf("the expected order is not what it should be: %+v", want)
	}
	wrong, n := 0, 0
	permutations([]int{2, 2, 2, 2, 2}, 10, nil, func(seq []int) {
		w := row{externalID: "7"}
		for _, i := range seq {
			w.parts.take(events[i])
		}
		if n++; !sameOrder(w.order(), want) {
			wrong++
		}
	})
	if n != 113_400 || wrong != 0 {
		t.Errorf("%d of %d sequences end wrong", wrong, n)
	}
}

func TestStoredSequencesEndInTheSameOrder(t *testing.T) {
	each(t, func(f *fixture) {
		want := map[string]Order{}
		n := 0
		permutations([]int{1, 1, 1, 1, 1}, 5, nil, func(seq []int) {
			n++
			id := "55500000" + string(rune('a'+n/26)) + string(rune('a'+n%26))
			events, end := life(id)
			want[id] = end
			var all []Event
			for _, i := range seq {
				all = append(all, events[i], events[seq[0]]) // each followed by a late repeat of the first
			}
			for i := range all {
				all[i].ShopID = f.shop.ID
			}
			f.ok(f.db.InTx(bg, func(tx *db.Tx) error { // in parts of three
				for part := range slices.Chunk(all, 3) {
					if _, err := f.ApplyAll(bg, tx, part); err != nil {
						return err
					}
				}
				return nil
			}))
		})
		if f.count() != n {
			t.Fatalf("%d rows for %d orders", f.count(), n)
		}
		for id, w := range want {
			if got := f.get(id); !sameOrder(got, w) {
				t.Errorf("order %s:\n got %+v\nwant %+v", id, got, w)
			}
		}
	})
}

func TestManyAtOnceMakeOneOrder(t *testing.T) {
	each(t, func(f *fixture) {
		var mu sync.Mutex
		added := 0
		f.OnChange(func(_ context.Context, _ *db.Tx, before *Order, _ Order, _ Origin) error { return nil })
		var wg sync.WaitGroup
		events, want := life("8")
		for i := range 20 {
			wg.Go(func() {
				e := events[i%len(events)]
				e.ShopID = f.shop.ID
				var r Result
				if err := f.db.InTx(bg, func(tx *db.Tx) (err error) { r, err = f.Apply(bg, tx, e); return err }); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if r.Outcome == Added {
					added++
				}
			})
		}
		wg.Wait()
		if got := f.get("8"); !sameOrder(got, want) || f.count() != 1 || added != 1 {
			t.Errorf("%d rows, added %d times: %+v", f.count(), added, got)
		}
	})
}

func TestFileAndWebhookMeet(t *testing.T) {
	file := func(id, name string) Event {
		return Event{ExternalID: id, Name: name, Origin: Origin{Source: CSV}, File: &FileRow{Created: epoch.Unix() * 1e6, Updated: epoch.Unix() * 1e6,
			Name: name, Email: "csv@example.com", Financial: Paid, Lines: []Line{{Title: "머그컵", Quantity: 1, Left: 1}}}}
	}
	each(t, func(f *fixture) {
		t := f.t
		// The file first, by name only: the webhook adopts the row.
		if r := f.apply(file("", "#9")); r.Outcome != Added || !r.Order.Provisional {
			t.Fatalf("%+v", r)
		}
		before := f.get("name:9")
		f.apply(snap("9", 0, 1, nil))
		if o := f.get("9"); o.ID != before.ID || o.Provisional || o.Email != "jimin.kim@example.com" || !o.Live || f.count() != 1 {
			t.Errorf("not adopted: %+v", o)
		}
		// The webhook first: the file attaches and does not win at equal times.
		f.apply(snap("10", 0, 1, nil))
		if r := f.apply(file("", "10")); r.Outcome != Unchanged || r.Order.ExternalID != "10" {
			t.Errorf("%+v", r)
		}
		if o := f.get("10"); o.Email != "jimin.kim@example.com" || o.Source != Webhook || f.count() != 2 {
			t.Errorf("%+v", o)
		}
		// With its id; the same again changes nothing.
		f.apply(file("11", "#11"))
		if r := f.apply(file("11", "#11")); r.Outcome != Unchanged {
			t.Errorf("again: %+v", r)
		}
		if o := f.get("11"); o.Live || o.Source != CSV {
			t.Errorf("%+v", o)
		}
		// A second order of the same name: a file by name cannot tell.
		f.apply(snap("12", 0, 1, func(s *Snapshot) { s.Name = "#11" }))
		e := snap("12", 0, 1, nil)
		e.Name = "#11"
		f.apply(e)
		if r := f.apply(file("", "#11")); r.Outcome != Refused || r.Code != "name_ambiguous" {
			t.Errorf("ambiguous: %+v", r)
		}
	})
}

func TestTombstonesStay(t *testing.T) {
	each(t, func(f *fixture) {
		t := f.t
		f.apply(Event{ExternalID: "20", DeletedAt: epoch}, snap("20", 50, 1, nil)) // deletion overtook the order
		if o := f.get("20"); !o.Gone() || o.Email != "" || len(o.Lines) != 0 {
			t.Errorf("%+v", o)
		}
		f.apply(snap("21", 0, 1, nil), snap("22", 0, 1, func(s *Snapshot) { s.Email = "other@example.com" }))
		var told []Erasure
		var gone []string
		f.OnErase(func(_ context.Context, _ *db.Tx, e Erasure) error { told = append(told, e); return nil })
		f.OnChange(func(_ context.Context, _ *db.Tx, before *Order, after Order, _ Origin) error {
			if after.Gone() && before != nil && before.Email != "" {
				gone = append(gone, after.ExternalID)
			}
			return nil
		})
		ids, err := f.Erase(bg, f.shop.ID, EraseRequest{Email: " jimin.kim@EXAMPLE.com", ExternalIDs: []string{"23"}}, epoch)
		f.ok(err)
		if len(ids) != 1 || len(told) != 1 || told[0].Email != "jimin.kim@example.com" || !slices.Equal(gone, []string{"21"}) {
			t.Errorf("erased %v, told %+v, gone %v", ids, told, gone)
		}
		f.apply(snap("21", 99, 9, nil), snap("23", 99, 9, nil))
		for id, isGone := range map[string]bool{"21": true, "22": false, "23": true} {
			if o := f.get(id); o.Gone() != isGone || isGone && o.Email != "" {
				t.Errorf("order %s: %+v", id, o)
			}
		}
		var kept int
		f.ok(f.db.QueryRow(bg, `SELECT count(*) FROM shop_order WHERE parts LIKE '%jimin%' OR email LIKE '%jimin%'`).Scan(&kept))
		if kept != 0 {
			t.Errorf("%d rows still know the erased person", kept)
		}
	})
}

func TestAnyMixOfEventsConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gen := rapid.Custom(func(t *rapid.T) Event {
			e := snap("7", rapid.Int64Range(0, 2).Draw(t, "second"), rapid.Int64Range(0, 2).Draw(t, "ns"), func(s *Snapshot) {
				s.Financial = rapid.SampledFrom([]string{"pending", Paid, RefundedStatus}).Draw(t, "financial")
				s.Fulfillment = rapid.SampledFrom([]string{"", Partial, Fulfilled}).Draw(t, "fulfilment")
				s.Tags = rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "tags")
			})
			if rapid.Bool().Draw(t, "parcel") {
				at := rapid.Int64Range(1, 3).Draw(t, "parcel at")
				e.Parcels = []Parcel{{ID: "4", Status: rapid.SampledFrom([]string{parcelSuccess, "cancelled"}).Draw(t, "status"), Created: 1, Updated: at,
					Delivered: rapid.SampledFrom([]int64{0, 5, 6}).Draw(t, "delivered")}}
			}
			switch rapid.IntRange(0, 9).Draw(t, "kind") {
			case 0:
				e = Event{ExternalID: "7", DeletedAt: epoch}
			case 1:
				e.Snapshot, e.Refunds = nil, []Refund{{ID: rapid.SampledFrom([]string{"1", "2"}).Draw(t, "refund"), Lines: []RefundLine{{"1", 1}}}}
			}
			return e
		})
		events := rapid.SliceOfN(gen, 1, 6).Draw(t, "events")
		a, b := row{}, row{}
		for _, e := range events {
			a.parts.take(e)
		}
		for _, e := range rapid.Permutation(append(slices.Clone(events), events...)).Draw(t, "arrival") {
			b.parts.take(e)
		}
		if !reflect.DeepEqual(a.order(), b.order()) {
			t.Fatalf("\n%+v\n%+v", a.order(), b.order())
		}
	})
}
