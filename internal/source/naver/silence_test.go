package naver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"imreport/internal/run"
	vendor "imreport/sim/naver"
)

// TestSilence: a server that does not answer is left after a while and asked
// again; one that never does ends the attempt, not the run.
func TestSilence(t *testing.T) {
	st := newStage(t, nil, vendor.Options{}, func(o *Options) { o.Timeout = 400 * time.Millisecond })
	for _, path := range []string{"/stat-reports", "/report-download", "/master-reports"} {
		if _, err := st.sim.AddFault(vendor.Fault{Kind: "hang", Path: path, ForMS: 5000, Times: 1}); err != nil {
			t.Fatal(err)
		}
	}
	o := st.order(st.busy()[0], 2, "AD")
	st.must(o)
	rt, _ := typeOf("AD")
	st.compare(o, rt)
	if _, err := st.sim.AddFault(vendor.Fault{Kind: "hang", Path: "/stat-reports", ForMS: 5000}); err != nil {
		t.Fatal(err)
	}
	if s := st.fails(st.order(st.busy()[1], 2, "AD")); s.Do != run.Retry || s.Args[0] != "naver.unreachable" {
		t.Errorf("%+v", s)
	}
}

// TestACancelledCollectingEnds: at once, with the reason for which it was
// cancelled, and without a fault of Naver's.
func TestACancelledCollectingEnds(t *testing.T) {
	st := newStage(t, nil, vendor.Options{BuildMin: time.Hour, BuildMax: time.Hour}, nil)
	why := errors.New("cancelled by a person")
	ctx, cancel := context.WithCancelCause(context.Background())
	time.AfterFunc(100*time.Millisecond, func() { cancel(why) })
	err := st.Collect(ctx, st.order(st.busy()[0], 3, "AD"), &progress{t: t})
	var s *run.Stop
	if err == nil || errors.As(err, &s) || ctx.Err() == nil {
		t.Errorf("%v", err)
	}
}

// BenchmarkParse reads a report of 100,000 rows.
func BenchmarkParse(b *testing.B) {
	var file strings.Builder
	const rows = 100_000
	for i := range rows {
		fmt.Fprintf(&file, "20261124\t1000\tcmp-a001-01-%015d\tgrp-a001-01-%015d\tnkw-a001-01-%015d\tnad-a001-01-%015d\tbsn-a001-00-000000000000001\t8753\tM\t%d\t1\t%d\t7\t0\n", i%20, i%400, i%8000, i%800, i%90, i%5000)
	}
	rt, _ := typeOf("AD")
	b.SetBytes(int64(file.Len()))
	b.ReportAllocs()
	for b.Loop() {
		p, err := newParser(strings.NewReader(file.String()), rt, day("2026-11-24"), "1000", false)
		if err != nil {
			b.Fatal(err)
		}
		for {
			if _, err := p.Next(); err != nil {
				if !errors.Is(err, io.EOF) || p.Rows != rows {
					b.Fatal(err, p.Rows)
				}
				break
			}
		}
	}
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// TestReadingKeepsNobodyFromAsking: however slowly Naver's answers come, more
// downloads are on their way than reports are read at once. Their turn is the
// gate's business.
func TestReadingKeepsNobodyFromAsking(t *testing.T) {
	st := newStage(t, nil, vendor.Options{}, nil)
	customer := st.busy()[0]
	st.must(st.order(customer, 1, "AD")) // reads the lists of the day, which are downloads too
	var mu sync.Mutex
	open, most := 0, 0
	st.seen.block = func(r *http.Request) bool {
		if r.URL.Path != "/report-download" {
			return false
		}
		mu.Lock()
		open++
		most = max(most, open)
		mu.Unlock()
		time.Sleep(200 * time.Millisecond)
		mu.Lock()
		open--
		mu.Unlock()
		return false
	}
	st.must(st.order(customer, 4, "AD", "AD_DETAIL", "AD_CONVERSION"))
	if most <= parsers {
		t.Errorf("at most %d downloads at once", most)
	}
}

// TestDoubtHoldsNoReadingPlace: a report that is compared with /stats waits for
// the gate, and those of other customers are read meanwhile.
func TestDoubtHoldsNoReadingPlace(t *testing.T) {
	st := newStage(t, nil, vendor.Options{}, nil)
	st.must(st.order(st.busy()[0], 1, "AD"))
	st.clock.forward(24 * time.Hour)
	if _, err := st.sim.AddFault(vendor.Fault{Kind: "partial", Report: "AD", Keep: 0.05, Times: 1}); err != nil {
		t.Fatal(err)
	}
	waiting, answer := make(chan struct{}), make(chan struct{})
	once := sync.OnceFunc(func() { close(waiting) })
	st.seen.block = func(r *http.Request) bool {
		if r.URL.Path == "/stats" {
			once()
			<-answer
		}
		return false
	}
	for range parsers - 1 { // the others are taken
		st.parsing <- struct{}{}
	}
	doubted := make(chan error, 1)
	go func() { // it is much less than on the day before, so that /stats is asked
		doubted <- st.Collect(context.Background(), st.order(st.busy()[0], 1, "AD"), &progress{t: t})
	}()
	select {
	case <-waiting:
	case err := <-doubted:
		_, all := st.seen.take()
		t.Fatalf("ended with %v: %v", err, all)
	}
	select {
	case st.parsing <- struct{}{}:
		<-st.parsing
	case <-time.After(5 * time.Second):
		t.Error("who waits for /stats holds a place")
	}
	close(answer)
	if err := <-doubted; err == nil {
		t.Error("a part was believed")
	}
}

// TestNothingIsReadInVain: /stats is asked before a report is read that nothing
// can be compared with. Its rows would wait in memory meanwhile.
func TestNothingIsReadInVain(t *testing.T) {
	st := newStage(t, nil, vendor.Options{}, nil)
	st.must(st.order(st.busy()[0], 1, "AD_CONVERSION")) // reads the lists of the day, which are downloads too
	st.seen.take()
	st.must(st.order(st.busy()[0], 1, "AD"))
	_, all := st.seen.take()
	at := func(path string) int {
		return slices.IndexFunc(all, func(call string) bool { return strings.Contains(call, path) })
	}
	if stats, read := at("/stats"), at("/report-download"); stats < 0 || read < stats {
		t.Errorf("read before /stats: %v", all)
	}
}
