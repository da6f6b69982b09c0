package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/errs"
	"imreport/internal/table"
)

var (
	day0 = mustDay("2026-11-20")
	noon = time.Date(2026, 11, 22, 12, 0, 0, 0, table.KST)

	adSchema = table.Schema{
		{Name: "date", Kind: table.Date}, {Name: "campaign_id", Kind: table.ID}, {Name: "campaign", Kind: table.Text},
		{Name: "impressions", Kind: table.Int}, {Name: "cost", Kind: table.Money}, {Name: "average_rank", Kind: table.Decimal},
		{Name: "ctr", Kind: table.Percent},
	}
)

func mustDay(s string) table.Day {
	d, err := table.ParseDay(s)
	if err != nil {
		panic(err)
	}
	return d
}

func adKey(d table.Day) Key {
	return Key{Platform: "naver_searchad", CustomerID: "1234567", Report: "AD", Day: d}
}

// adRows are n rows that depend on the seed.
func adRows(seed, n int) []table.Row {
	rows := make([]table.Row, n)
	for i := range rows {
		rows[i] = table.Row{
			table.D(day0), table.S(fmt.Sprintf("cmp-a001-01-%015d", seed*1000+i%7)), table.S("캠페인\t\"" + fmt.Sprint(i)),
			table.I(int64(seed + i)), table.F(float64(seed*10+i) / 2), table.Null, table.F(0.0123),
		}
	}
	return rows
}

func writeAll(rows []table.Row) func(*Writer) error {
	return func(w *Writer) error {
		for _, r := range rows {
			if err := w.Write(r); err != nil {
				return err
			}
		}
		return nil
	}
}

func readAll(t interface {
	Helper()
	Fatal(...any)
}, r table.Reader, err error) []table.Row {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var rows []table.Row
	for {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, append(table.Row(nil), row...))
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return rows
}

func newArchive(t *testing.T, d *db.DB) (*Archive, *Dir) {
	t.Helper()
	store, err := NewDir(filepath.Join(t.TempDir(), "archive"))
	if err != nil {
		t.Fatal(err)
	}
	return Open(d, store), store
}

func TestPutAndRead(t *testing.T) {
	ctx := context.Background()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		a, _ := newArchive(t, d)
		rows := adRows(1, 300) // more than a batch
		meta := map[string]any{}
		p, err := a.Put(ctx, Draft{Key: adKey(day0), Schema: adSchema, Meta: meta, At: noon,
			Write: func(w *Writer) error { meta["job_id"] = 42; return writeAll(rows)(w) }})
		if err != nil {
			t.Fatal(err)
		}
		if p.Rows != 300 || p.Bytes == 0 || p.Sums["impressions"] != 1*300+299*300/2 || p.Sums["cost"] != (10*300+299*300/2)/2. {
			t.Errorf("piece %+v", p)
		}
		got, err := a.Current(ctx, "naver_searchad", "1234567", []string{"AD", "AD_DETAIL"}, day0-3, day0)
		if err != nil || len(got) != 1 {
			t.Fatalf("current: %v, %v", got, err)
		}
		if diff := cmp.Diff(p, got[0], cmp.AllowUnexported(Piece{}), cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })); diff != "" {
			t.Errorf("catalogue differs:\n%s", diff)
		}
		if string(got[0].Meta) != `{"job_id":42}` {
			t.Errorf("meta %s", got[0].Meta)
		}
		r, err := a.Rows(ctx, got[0], nil)
		if diff := cmp.Diff(rows, readAll(t, r, err)); diff != "" {
			t.Errorf("rows differ:\n%s", diff)
		}
		if more, err := a.Current(ctx, "naver_searchad", "1234567", []string{"AD"}, day0+1, day0+9); err != nil || len(more) != 0 {
			t.Errorf("other days: %v, %v", more, err)
		}
	})
}

func TestColumnsAreMatchedByName(t *testing.T) {
	ctx := context.Background()
	a, _ := newArchive(t, dbtest.SQLite(t))
	old := table.Schema{{Name: "date", Kind: table.Date}, {Name: "clicks", Kind: table.Int}, {Name: "unknown_1", Kind: table.Text}}
	p, err := a.Put(ctx, Draft{Key: adKey(day0), Schema: old, At: noon,
		Write: writeAll([]table.Row{{table.D(day0), table.I(7), table.S("12.5")}})})
	if err != nil {
		t.Fatal(err)
	}
	want := table.Schema{{Name: "views", Kind: table.Int}, {Name: "clicks", Kind: table.Money}, {Name: "date", Kind: table.Text}, {Name: "unknown_1", Kind: table.Decimal}}
	r, err := a.Rows(ctx, p, want)
	got := readAll(t, r, err)
	if diff := cmp.Diff([]table.Row{{table.Null, table.F(7), table.S("2026-11-20"), table.F(12.5)}}, got); diff != "" {
		t.Error(diff)
	}
	q, err := a.Put(ctx, Draft{Key: adKey(day0 + 1), Schema: table.Schema{{Name: "clicks", Kind: table.Money}, {Name: "views", Kind: table.Int}}, At: noon})
	if err != nil {
		t.Fatal(err)
	}
	union := Union([]Piece{p, q})
	if diff := cmp.Diff(table.Schema{{Name: "clicks", Kind: table.Money}, {Name: "views", Kind: table.Int},
		{Name: "date", Kind: table.Date}, {Name: "unknown_1", Kind: table.Text}}, union); diff != "" {
		t.Error(diff)
	}
}

func TestAPieceWithoutRowsNeedsNoObject(t *testing.T) {
	ctx := context.Background()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		a, store := newArchive(t, d)
		p, err := a.Put(ctx, Draft{Key: adKey(day0), At: noon})
		if err != nil || p.Rows != 0 || p.object != "" {
			t.Fatalf("%+v, %v", p, err)
		}
		p, ok, err := a.Get(ctx, adKey(day0))
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		r, err := a.Rows(ctx, p, adSchema)
		if rows := readAll(t, r, err); len(rows) != 0 {
			t.Errorf("rows %v", rows)
		}
		if n := objects(t, store); n != 0 {
			t.Errorf("%d objects", n)
		}
	})
}

func objects(t interface{ Fatal(...any) }, s Store) (n int) {
	err := s.List(context.Background(), noon.AddDate(100, 0, 0), func(string) error { n++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestGuardUndoes(t *testing.T) {
	ctx := context.Background()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		a, store := newArchive(t, d)
		first, err := a.Put(ctx, Draft{Key: adKey(day0), Schema: adSchema, At: noon, Write: writeAll(adRows(1, 3))})
		if err != nil {
			t.Fatal(err)
		}
		lost := errs.E(errs.LeaseLost, "run.lease_lost", nil, "r")
		_, err = a.Put(ctx, Draft{Key: adKey(day0), Schema: adSchema, At: noon, Write: writeAll(adRows(2, 3)),
			Guard: func(ctx context.Context, tx *db.Tx) error {
				if _, err := tx.Exec(ctx, `INSERT INTO setting (name, value) VALUES ('a', 'b')`); err != nil {
					return err
				}
				return lost
			}})
		if errs.KindOf(err) != errs.LeaseLost {
			t.Fatalf("got %v", err)
		}
		if p, _, err := a.Get(ctx, adKey(day0)); err != nil || p.ID != first.ID {
			t.Errorf("current %v, %v", p.ID, err)
		}
		if n := objects(t, store); n != 1 {
			t.Errorf("%d objects, want 1", n)
		}
	})
}

func TestNamesAreMergedByCompareAndSet(t *testing.T) {
	ctx := context.Background()
	schema := table.Schema{{Name: "id", Kind: table.ID}, {Name: "name", Kind: table.Text}}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		a, _ := newArchive(t, d)
		k := Key{Platform: "naver_searchad", CustomerID: "1", Report: "@campaign"}
		const writers = 4
		var wg sync.WaitGroup
		for i := range writers {
			wg.Go(func() {
				for {
					p, _, err := a.Get(ctx, k)
					if err != nil {
						t.Error(err)
						return
					}
					var rows []table.Row
					if p.ID != "" {
						r, err := a.Rows(ctx, p, nil)
						rows = readAll(t, r, err)
					}
					rows = append(rows, table.Row{table.S(fmt.Sprint(i)), table.S("이름")})
					_, err = a.PutIf(ctx, Draft{Key: k, Schema: schema, Write: writeAll(rows)}, p.ID)
					if IsChanged(err) {
						continue
					}
					if err != nil {
						t.Error(err)
					}
					return
				}
			})
		}
		wg.Wait()
		p, _, err := a.Get(ctx, k)
		if err != nil || p.Rows != writers {
			t.Errorf("%d names, want %d: %v", p.Rows, writers, err)
		}
		if _, err := a.PutIf(ctx, Draft{Key: k, Schema: schema}, ""); !IsChanged(err) {
			t.Errorf("PutIf none: %v", err)
		}
	})
}

func TestWritersAtOnceLeaveOneCurrentVersion(t *testing.T) {
	ctx := context.Background()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		a, _ := newArchive(t, d)
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() {
				if _, err := a.Put(ctx, Draft{Key: adKey(day0), Schema: adSchema, Write: writeAll(adRows(i, 2))}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		var all, current int
		err := d.QueryRow(ctx, `SELECT count(*), count(*) FILTER (WHERE current) FROM piece`).Scan(&all, &current)
		if err != nil || all != 6 || current != 1 {
			t.Errorf("%d versions, %d current, %v", all, current, err)
		}
	})
}

func TestRevised(t *testing.T) {
	ctx := context.Background()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		a, _ := newArchive(t, d)
		put := func(day table.Day, at time.Time, rows []table.Row) {
			if _, err := a.Put(ctx, Draft{Key: adKey(day), Schema: adSchema, At: at, Write: writeAll(rows)}); err != nil {
				t.Fatal(err)
			}
		}
		for i := range table.Day(3) {
			put(day0+i, noon, adRows(1, 3))
		}
		put(day0, noon.Add(2*time.Hour), adRows(1, 3))   // fetched again, the same
		put(day0+1, noon.Add(2*time.Hour), adRows(1, 2)) // changed
		put(day0+1, noon.Add(3*time.Hour), adRows(2, 4)) // and again
		got, err := a.Revised(ctx, "naver_searchad", "1234567", []string{"AD"}, day0, day0+9, noon.Add(time.Hour))
		if err != nil || len(got) != 1 {
			t.Fatalf("%v, %v", got, err)
		}
		if r := got[0]; r.After.Day != day0+1 || r.Before.Rows != 3 || r.After.Rows != 4 {
			t.Errorf("%+v", r)
		}
		if got, err := a.Revised(ctx, "naver_searchad", "1234567", []string{"AD"}, day0, day0+9, noon.Add(5*time.Hour)); err != nil || len(got) != 0 {
			t.Errorf("since later: %v, %v", got, err)
		}
	})
}

func TestCollect(t *testing.T) {
	ctx := context.Background()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		a, store := newArchive(t, d)
		for i := range 3 {
			if _, err := a.Put(ctx, Draft{Key: adKey(day0), Schema: adSchema, At: noon.Add(time.Duration(i) * time.Hour), Write: writeAll(adRows(i, 2))}); err != nil {
				t.Fatal(err)
			}
		}
		orphan, err := store.Create(ctx, "naver_searchad/9/AD/orphan.parquet")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := orphan.Write([]byte("half")); err != nil {
			t.Fatal(err)
		}
		half := filepath.Join(store.root, "naver_searchad", "9", "AD", "orphan.parquet")
		if err := os.Chtimes(half, noon, noon.AddDate(0, 0, 7)); err != nil {
			t.Fatal(err)
		}
		keep := Keep{Objects: 24 * time.Hour, Versions: 48 * time.Hour}
		step := func(now time.Time, objs, versions, left int) {
			t.Helper()
			o, v, err := a.Collect(ctx, now, keep)
			if err != nil || o != objs || v != versions || objects(t, store) != left {
				t.Errorf("%d objects, %d versions, %d left, %v; want %d, %d, %d", o, v, objects(t, store), err, objs, versions, left)
			}
		}
		step(noon.Add(3*time.Hour), 0, 0, 4)
		step(noon.Add(25*time.Hour+time.Minute), 1, 0, 3)
		step(noon.Add(49*time.Hour+time.Minute), 1, 1, 2)
		step(noon.AddDate(0, 0, 9), 1, 1, 1)
		p, _, err := a.Get(ctx, adKey(day0))
		if err != nil {
			t.Fatal(err)
		}
		r, err := a.Rows(ctx, p, nil)
		if rows := readAll(t, r, err); len(rows) != 2 {
			t.Errorf("rows %v", rows)
		}
	})
}

func TestDamagedObjects(t *testing.T) {
	ctx := context.Background()
	a, store := newArchive(t, dbtest.SQLite(t))
	p, err := a.Put(ctx, Draft{Key: adKey(day0), Schema: adSchema, At: noon, Write: writeAll(adRows(1, 5000))})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(store.root, filepath.FromSlash(p.object))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	read := func() error {
		r, err := a.Rows(ctx, p, nil)
		for err == nil {
			_, err = r.Next()
		}
		if r != nil {
			_ = r.Close()
		}
		return err
	}
	if err := read(); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	must := func(what string) {
		t.Helper()
		if err := read(); !IsDamaged(err) {
			t.Errorf("%s: %v, want archive.damaged", what, err)
		}
	}
	for _, n := range []int{0, 3, 100, len(whole) / 2, len(whole) - 1} {
		write(t, path, whole[:n])
		must(fmt.Sprintf("cut to %d", n))
	}
	zeroed := append([]byte(nil), whole...)
	clear(zeroed[len(zeroed)/3 : len(zeroed)/2])
	write(t, path, zeroed)
	must("zeroes in the middle")
	for i := 0; i < len(whole); i += len(whole)/200 + 1 {
		bad := append([]byte(nil), whole...)
		bad[i] ^= 0x55
		write(t, path, bad)
		if err := read(); !errors.Is(err, io.EOF) && !IsDamaged(err) {
			t.Errorf("byte %d: %v", i, err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	must("missing")
	if err := a.Discard(ctx, p, noon); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := a.Get(ctx, adKey(day0)); ok || err != nil {
		t.Errorf("after Discard: %v, %v", ok, err)
	}
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAYearIsReadAsAStream(t *testing.T) {
	ctx := context.Background()
	a, store := newArchive(t, dbtest.SQLite(t))
	counted := &countingStore{Store: store}
	a.store = counted
	const days = 40
	for i := range table.Day(days) {
		var w func(*Writer) error
		if i%5 != 0 {
			w = writeAll(adRows(int(i), 3))
		}
		if _, err := a.Put(ctx, Draft{Key: adKey(day0 + i), Schema: adSchema, At: noon, Write: w}); err != nil {
			t.Fatal(err)
		}
	}
	pieces, err := a.Current(ctx, "naver_searchad", "1234567", []string{"AD"}, day0, day0+days)
	if err != nil {
		t.Fatal(err)
	}
	rows := readAll(t, a.Stream(ctx, pieces, adSchema), nil)
	if len(rows) != days/5*4*3 || counted.most != 1 || counted.open != 0 {
		t.Errorf("%d rows, %d files open at once, %d still", len(rows), counted.most, counted.open)
	}
}

type countingStore struct {
	Store
	open, most int
}

func (s *countingStore) Open(ctx context.Context, name string) (Blob, error) {
	b, err := s.Store.Open(ctx, name)
	s.open++
	s.most = max(s.most, s.open)
	return closing{b, s}, err
}

type closing struct {
	Blob
	s *countingStore
}

func (c closing) Close() error { c.s.open--; return c.Blob.Close() }

func TestAnUnusableFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, nil)
	if _, err := NewDir(filepath.Join(file, "archive")); !errs.Is(err, "archive.folder_unusable") {
		t.Errorf("NewDir: %v", err)
	}
	d, err := NewDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"../x", "/etc/x", "a/../../x", ""} {
		if _, err := d.Create(context.Background(), name); err == nil {
			t.Errorf("Create %q: want an error", name)
		}
	}
	if got := objectName(Key{Platform: "p", CustomerID: "../1", Report: "@../x"}, "id"); got != "p/___1/@___x/id.parquet" {
		t.Errorf("object name %s", got)
	}
}
