package archive

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/table"
)

var errCrash = errors.New("crash")

// crashing is a Store that stops at a step, leaving what was written as a
// killed process would.
type crashing struct {
	Store
	at string
}

func (s *crashing) Create(ctx context.Context, name string) (Object, error) {
	o, err := s.Store.Create(ctx, name)
	if err != nil {
		return nil, err
	}
	return &crashingObject{Object: o, at: s.at}, nil
}

type crashingObject struct {
	Object
	at string
}

func (o *crashingObject) Write(b []byte) (int, error) {
	if o.at == "write" {
		n, _ := o.Object.Write(b[:len(b)/2])
		return n, errCrash
	}
	return o.Object.Write(b)
}

func (o *crashingObject) Commit() error {
	if o.at == "before commit" {
		return errCrash
	}
	return o.Object.Commit()
}

func (o *crashingObject) Abort() {
	if o.at == "" || o.at == "transaction" {
		o.Object.Abort()
	}
}

// TestAnyHistoryLeavesOneReadableVersion plays puts, crashes at every step,
// discards and collections against a model: the rows of the last put that
// succeeded are what is current and can be read.
func TestAnyHistoryLeavesOneReadableVersion(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		dir := t.TempDir()
		rapid.Check(t, func(t *rapid.T) {
			ctx := context.Background()
			if _, err := d.Exec(ctx, `DELETE FROM piece`); err != nil {
				t.Fatal(err)
			}
			store, err := NewDir(filepath.Join(dir, db.NewID()))
			if err != nil {
				t.Fatal(err)
			}
			crash := &crashing{Store: store}
			a := Open(d, crash)
			model := map[Key][]table.Row{}
			now := noon
			day := rapid.IntRange(0, 1)
			t.Repeat(map[string]func(*rapid.T){
				"put": func(t *rapid.T) {
					k := adKey(day0 + table.Day(day.Draw(t, "day")))
					rows := adRows(rapid.IntRange(0, 99).Draw(t, "seed"), rapid.IntRange(0, 5).Draw(t, "rows"))
					crash.at = rapid.SampledFrom([]string{"", "", "write", "before commit", "transaction"}).Draw(t, "crash")
					now = now.Add(time.Minute)
					draft := Draft{Key: k, Schema: adSchema, At: now, Write: writeAll(rows)}
					if crash.at == "transaction" {
						draft.Guard = func(context.Context, *db.Tx) error { return errCrash }
					}
					var err error
					if rapid.Bool().Draw(t, "if") {
						var p Piece
						if p, _, err = a.Get(ctx, k); err == nil {
							_, err = a.PutIf(ctx, draft, p.ID)
						}
					} else {
						_, err = a.Put(ctx, draft)
					}
					if err == nil {
						model[k] = rows
					} else if !errors.Is(err, errCrash) {
						t.Fatal(err)
					}
				},
				"put if something else is current": func(t *rapid.T) {
					k := adKey(day0 + table.Day(day.Draw(t, "day")))
					crash.at = ""
					if _, err := a.PutIf(ctx, Draft{Key: k, Schema: adSchema, At: now}, "other"); !IsChanged(err) {
						t.Fatal(err)
					}
				},
				"discard": func(t *rapid.T) {
					k := adKey(day0 + table.Day(day.Draw(t, "day")))
					p, ok, err := a.Get(ctx, k)
					if err != nil {
						t.Fatal(err)
					}
					if ok {
						now = now.Add(time.Minute)
						if err := a.Discard(ctx, p, now); err != nil {
							t.Fatal(err)
						}
						delete(model, k)
					}
				},
				"collect": func(t *rapid.T) {
					// After everything in the catalogue, and after the files,
					// whose times are real ones.
					later := time.Now()
					if now.After(later) {
						later = now
					}
					later = later.Add(24 * time.Hour)
					keep := Keep{Objects: time.Hour, Versions: time.Hour}
					if _, _, err := a.Collect(ctx, later, keep); err != nil {
						t.Fatal(err)
					}
					want := 0
					for _, rows := range model {
						if len(rows) > 0 {
							want++
						}
					}
					if objects(t, store) != want {
						t.Fatalf("%d objects after a collection, want %d", objects(t, store), want)
					}
				},
				"": func(t *rapid.T) {
					current, err := a.Current(ctx, "naver_searchad", "1234567", []string{"AD"}, day0, day0+1)
					if err != nil {
						t.Fatal(err)
					}
					if len(current) != len(model) {
						t.Fatalf("%d current, want %d", len(current), len(model))
					}
					for _, p := range current {
						r, err := a.Rows(ctx, p, nil)
						got := readAll(t, r, err)
						if want := model[p.Key]; len(got) != len(want) || len(got) > 0 && !cmp.Equal(want, got) {
							t.Fatalf("%s: %v, want %v", p.Key, got, want)
						}
					}
				},
			})
		})
	})
}
