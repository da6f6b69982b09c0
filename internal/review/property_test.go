package review

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"imreport/internal/db/dbtest"
	"imreport/internal/errs"
	"imreport/internal/order"
	"imreport/internal/shop"
)

// Whatever happens to a few orders of two people, in any sequence: no message
// has two mails, nobody who said no or is not to be asked gets one, nobody is
// asked again within the cool-down by the program itself, and what is over
// stays over.
func TestNobodyIsAskedTwice(t *testing.T) {
	d := dbtest.SQLite(t)
	rapid.Check(t, func(r *rapid.T) {
		c := &carrier{}
		f := newFixture(t, d, Options{Carrier: c}, shop.Input{ReviewDelay: ptr("2h"), Cooldown: ptr("48h")})
		people := []string{"one@" + f.shop.ID + ".example", "two@" + f.shop.ID + ".example"}
		gone := map[string]bool{}          // unsubscribed
		asked := map[string]time.Time{}    // by person: last mail that nobody asked for
		byHand := map[string]bool{}        // messages that a person asked for
		mails := map[string]int{}          // by message
		orders := map[string]order.Order{} // as the shop has them
		c.fate = func(l Letter) Outcome {
			switch rapid.IntRange(0, 5).Draw(r, "fate") {
			case 0:
				return Outcome{Fate: FateLater, Code: 451}
			case 1:
				return Outcome{Fate: FateUnknown}
			case 2:
				return Outcome{Fate: FateDenied, Code: 554, Phase: "dot"}
			}
			return Outcome{Fate: FateSent}
		}
		check := func(before int) {
			for _, l := range c.sent[before:] {
				if mails[l.Token]++; mails[l.Token] > 1 {
					r.Fatalf("message %s has %d mails", l.Token, mails[l.Token])
				}
				m, err := f.Get(f.ctx, f.shop.ID, l.Token)
				if err != nil {
					r.Fatal(err)
				}
				o := orders[m.OrderID]
				if gone[l.To] || !o.CancelledAt.IsZero() || o.FulfillmentStatus != order.Fulfilled || l.To != o.Email {
					r.Fatalf("%s should not have gone to %s: %+v", l.Token, l.To, o)
				}
				if last, ok := asked[l.To]; ok && !byHand[l.Token] && f.clock.now().Sub(last) < 48*time.Hour {
					r.Fatalf("%s was asked again after %v", l.To, f.clock.now().Sub(last))
				}
				asked[l.To] = f.clock.now()
			}
		}
		pick := func() string { return fmt.Sprint("o", rapid.IntRange(1, 4).Draw(r, "order")) }
		change := func(how func(o *order.Order)) {
			id := pick()
			o, ok := orders[id]
			if !ok {
				o = f.fulfilled(id, people[int(id[1])%2])
			}
			how(&o)
			orders[id] = o
			f.put(o)
		}
		message := func(do func(m Message) error) {
			all := f.messages()
			if len(all) == 0 {
				return
			}
			m := all[rapid.IntRange(0, len(all)-1).Draw(r, "message")]
			if err := do(m); err != nil && errs.KindOf(err) != errs.Conflict {
				r.Fatal(err)
			}
		}
		r.Repeat(map[string]func(*rapid.T){
			"fulfil": func(*rapid.T) {
				change(func(o *order.Order) { o.FulfillmentStatus, o.CancelledAt = order.Fulfilled, time.Time{} })
			},
			"cancel":   func(*rapid.T) { change(func(o *order.Order) { o.CancelledAt = f.clock.now() }) },
			"unfulfil": func(*rapid.T) { change(func(o *order.Order) { o.FulfillmentStatus = order.Partial }) },
			"moves": func(*rapid.T) {
				change(func(o *order.Order) { o.Email = people[rapid.IntRange(0, 1).Draw(r, "person")] })
			},
			"wait": func(*rapid.T) { f.clock.add(time.Duration(rapid.IntRange(1, 60).Draw(r, "hours")) * time.Hour) },
			"send": func(*rapid.T) {
				before := len(c.sent)
				f.sendDue()
				check(before)
			},
			"send now": func(*rapid.T) {
				message(func(m Message) error {
					m, err := f.SendNow(f.ctx, f.shop.ID, m.ID, "p")
					byHand[m.ID] = byHand[m.ID] || err == nil
					return err
				})
			},
			"resend": func(*rapid.T) {
				message(func(m Message) error {
					m, err := f.Resend(f.ctx, f.shop.ID, m.ID, "p", "why")
					byHand[m.ID] = byHand[m.ID] || err == nil
					return err
				})
			},
			"hold": func(*rapid.T) {
				message(func(m Message) error { _, err := f.Cancel(f.ctx, f.shop.ID, m.ID, "p"); return err })
			},
			"unsubscribe": func(*rapid.T) {
				if rapid.IntRange(0, 5).Draw(r, "rarely") > 0 {
					return
				}
				p := people[rapid.IntRange(0, 1).Draw(r, "who")]
				gone[p] = true
				if err := f.SuppressByHand(f.ctx, f.shop.ID, p, ""); err != nil {
					r.Fatal(err)
				}
			},
			"": func(r *rapid.T) {
				seen := map[string]bool{}
				for _, m := range f.messages() {
					key := fmt.Sprint(m.OrderID, m.Kind, m.Seq)
					if seen[key] {
						r.Fatalf("two messages %s", key)
					}
					seen[key] = true
					if mails[m.ID] > 0 && m.State != Sent && m.State != Unknown {
						r.Fatalf("%s has a mail and is %s", m.ID, m.State)
					}
				}
			},
		})
	})
}
