package run

import (
	"context"
	"sync"
	"testing"
	"time"

	"imreport/internal/account"
	"imreport/internal/db"
	"imreport/internal/jobs"
	"imreport/internal/quota"
	"imreport/internal/report"
	"imreport/internal/table"
)

// house is a Service over a fresh database, with sources and destinations that
// the test controls.
type house struct {
	*Service
	d    *db.DB
	jobs *jobs.Jobs
	keys *fakeKeys
	src  *fakeSource
	dst  *fakeDestination

	mu  sync.Mutex
	now time.Time
}

const workspace = "w1"

func newHouse(t testing.TB, d *db.DB, change ...func(*Options)) *house {
	t.Helper()
	h := &house{d: d, keys: &fakeKeys{dead: map[string]bool{}}, src: &fakeSource{}, dst: &fakeDestination{},
		now: time.Date(2026, 11, 20, 6, 0, 0, 0, table.KST)}
	ctx := context.Background()
	if _, err := d.Exec(ctx, `INSERT INTO workspace (id, name, zone, lang, created_us) VALUES ($1, 'W', 'Asia/Seoul', 'ko', 1)
		ON CONFLICT (id) DO NOTHING`, workspace); err != nil {
		t.Fatal(err)
	}
	o := Options{
		Reports:      report.New(d, report.Options{Types: []report.Type{{Name: "AD", DaysBack: 365}}}),
		Keys:         h.keys,
		Gate:         quota.New(quota.Options{}),
		Sources:      map[string]Source{"fake": h.src},
		Destinations: map[string]Destination{report.XLSX: h.dst},
		Now:          h.clock,
	}
	for _, f := range change {
		f(&o)
	}
	h.jobs = jobs.New(d, jobs.Options{Process: o.Process})
	h.Service = New(d, h.jobs, o)
	return h
}

func (h *house) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

// start makes the house work until the test ends.
func (h *house) start(t testing.TB) {
	t.Helper()
	ctx := context.Background()
	if err := h.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := h.jobs.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.stop(t) })
}

func (h *house) stop(t testing.TB) {
	ctx, stop := context.WithTimeout(context.Background(), 20*time.Second)
	defer stop()
	if err := h.jobs.Stop(ctx); err != nil {
		t.Error(err)
	}
	if err := h.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// rawData makes a raw data of account lane and its first run.
func (h *house) rawData(t testing.TB, lane string, class quota.Class) (report.RawData, Run) {
	t.Helper()
	rd, r, err := h.Create(context.Background(), workspace, "p1", report.Input{
		Name: "보고서", AccountID: lane, Reports: []string{"AD"}, Period: report.Period{LastDays: 3},
		Destination: report.Destination{Type: report.XLSX},
	}, Request{Class: class})
	if err != nil {
		t.Fatal(err)
	}
	return rd, r
}

// fakeKeys knows one key "k" whose accounts are whatever is asked for.
type fakeKeys struct {
	mu   sync.Mutex
	dead map[string]bool
}

func (k *fakeKeys) Account(_ context.Context, _ db.Queryer, id string) (account.Account, error) {
	return account.Account{ID: id, WorkspaceID: workspace, APIKeyID: "k", Platform: "fake", CustomerID: id, Name: id}, nil
}

func (k *fakeKeys) Credential(_ context.Context, ws, id string) (account.Credential, error) {
	return account.Credential{ID: id, WorkspaceID: ws, Platform: "fake", License: "L"}, nil
}

func (k *fakeKeys) Usable(_ context.Context, _ db.Queryer, id string) (bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.dead[id], nil
}

func (k *fakeKeys) MarkInvalid(_ context.Context, _ *db.Tx, id string, _ error, _ time.Time) error {
	k.set(id, true)
	return nil
}

func (k *fakeKeys) MarkProved(context.Context, string, time.Time) error { return nil }

func (k *fakeKeys) set(id string, dead bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.dead[id] = dead
}

// fakeSource collects by a function of the test; nil: three pieces at once.
type fakeSource struct {
	mu      sync.Mutex
	collect func(ctx context.Context, o Order, p Progress) error
}

func (f *fakeSource) set(fn func(ctx context.Context, o Order, p Progress) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.collect = fn
}

func (f *fakeSource) Collect(ctx context.Context, o Order, p Progress) error {
	f.mu.Lock()
	fn := f.collect
	f.mu.Unlock()
	if fn != nil {
		return fn(ctx, o, p)
	}
	p.Plan(3)
	p.Done(3)
	return nil
}

func (f *fakeSource) Tabs(context.Context, Order) ([]Tab, error) {
	s := table.Schema{{Name: "clicks", Kind: table.Int}}
	return []Tab{{Report: "AD", Name: "AD", Schema: s, Rows: 1, Open: func(context.Context) (table.Reader, error) {
		return table.Rows(table.Row{table.I(1)}), nil
	}}}, nil
}

// fakeDestination remembers which objects exist.
type fakeDestination struct {
	mu      sync.Mutex
	objects map[string]bool
	insert  func(ctx context.Context) error
	add     func(ctx context.Context) error
}

func (f *fakeDestination) Create(_ context.Context, w Work) (Workbook, error) {
	return &fakeBook{f: f, object: w.Object}, nil
}

func (f *fakeDestination) Remove(_ context.Context, file File) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.objects, file.Object)
	return nil
}

func (f *fakeDestination) has(object string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.objects[object]
}

type fakeBook struct {
	f      *fakeDestination
	object string
}

func (b *fakeBook) Insert(ctx context.Context, tabs []Tab, rows func(int64)) error {
	b.f.mu.Lock()
	fn := b.f.insert
	b.f.mu.Unlock()
	if fn != nil {
		if err := fn(ctx); err != nil {
			return err
		}
	}
	rows(tabs[0].Rows)
	return nil
}

func (b *fakeBook) Add(ctx context.Context, _ Info) error {
	b.f.mu.Lock()
	fn := b.f.add
	b.f.mu.Unlock()
	if fn != nil {
		return fn(ctx)
	}
	return nil
}

func (b *fakeBook) Finish(context.Context) (File, error) {
	b.f.mu.Lock()
	defer b.f.mu.Unlock()
	if b.f.objects == nil {
		b.f.objects = map[string]bool{}
	}
	b.f.objects[b.object] = true
	return File{Object: b.object, Rows: 1}, nil
}

func (b *fakeBook) Abandon() {}

// await polls until ok, or fails the test after a generous time.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for: %s", what)
		}
	}
}

// ended waits for a run's end and returns it.
func (h *house) ended(t testing.TB, id string) View {
	t.Helper()
	var v View
	await(t, "the end of run "+id, func() bool {
		var err error
		if v, err = h.Get(context.Background(), workspace, id); err != nil {
			t.Fatal(err)
		}
		return v.State.Ended()
	})
	return v
}
