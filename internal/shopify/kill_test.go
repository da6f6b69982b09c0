package shopify

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/jobs"
	"imreport/internal/order"
	"imreport/internal/seal"
	"imreport/internal/shop"
)

// childVar makes this test binary the server that is killed.
const childVar = "IMREPORT_TEST_HOOK_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVar) == "" {
		os.Exit(m.Run())
	}
	if err := child(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// services opens the shop side over a database.
func services(d *db.DB, step func(string)) (*shop.Service, *order.Service, *Service, error) {
	box, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	if err != nil {
		return nil, nil, nil, err
	}
	shops := shop.New(d, box, shop.Options{})
	orders := order.New(d, shops, box, order.Options{})
	return shops, orders, New(d, shops, orders, Options{Step: step}), nil
}

// child serves webhooks until it is killed, at the latest by its own hand:
// "STEP:N" is the Nth time it takes that step.
func child() error {
	ctx := context.Background()
	d, err := db.Open(ctx, db.Options{URL: os.Getenv("CHILD_URL"), Dir: os.Getenv("CHILD_DIR")})
	if err != nil {
		return err
	}
	at, times, _ := strings.Cut(os.Getenv("CHILD_PLAN"), ":")
	n, _ := strconv.ParseInt(times, 10, 64)
	var seen atomic.Int64
	_, _, s, err := services(d, func(step string) {
		if step == at && seen.Add(1) == n {
			me, _ := os.FindProcess(os.Getpid())
			_ = me.Kill()
			select {}
		}
	})
	if err != nil {
		return err
	}
	if err := s.Start(ctx); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = s.Receive(r.Context(), strings.TrimPrefix(r.URL.Path, "/"), NewDelivery(r.Header, body))
		}
		if err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
}

// server is the child as the shop sees it: it comes back when it has died.
type server struct {
	t        *testing.T
	url, dir string
	mu       sync.Mutex
	cmd      *exec.Cmd
	addr     string
	kills    int
}

func (s *server) start(plan string) {
	s.t.Helper()
	s.cmd = exec.Command(os.Args[0])
	s.cmd.Env = append(os.Environ(), childVar+"=1", "CHILD_URL="+s.url, "CHILD_DIR="+s.dir, "CHILD_PLAN="+plan)
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.addr, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		s.t.Fatalf("the child says nothing: %v", err)
	}
	s.addr = strings.TrimSpace(s.addr)
}

// dies waits for a child that has answered all before its step came.
func (s *server) dies() {
	dead := make(chan error, 1)
	cmd := s.cmd
	go func() { dead <- cmd.Wait() }()
	select {
	case <-dead:
		s.kills++
	case <-time.After(20 * time.Second):
		_ = cmd.Process.Kill()
		<-dead
	}
}

func (s *server) end() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// post sends a webhook until it is taken; a server that died comes back
// without a plan.
func (s *server) post(code string, d Delivery) {
	for range 50 {
		s.mu.Lock()
		addr := s.addr
		s.mu.Unlock()
		req, _ := http.NewRequest(http.MethodPost, "http://"+addr+"/"+code, bytes.NewReader(d.Body))
		req.Header = d.Header
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		s.mu.Lock()
		if addr == s.addr && err != nil {
			s.end()
			s.kills++
			s.start("")
		}
		s.mu.Unlock()
	}
	s.t.Error("a webhook was never taken")
}

// TestKilledOnTheWay kills the process at each step of a webhook's way. What
// was answered 2xx is in force afterwards, and every order is right.
func TestKilledOnTheWay(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { killed(t, &server{t: t, dir: t.TempDir()}) })
	t.Run("postgres", func(t *testing.T) { killed(t, &server{t: t, url: dbtest.PostgresURL(t)}) })
}

func killed(t *testing.T, s *server) {
	open := func() *db.DB {
		d, err := db.Open(bg, db.Options{URL: s.url, Dir: s.dir})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	d := open()
	shops, _, _, err := services(d, nil)
	if s.url == "" {
		err = errors.Join(err, jobs.Migrate(bg, d), d.Migrate(bg))
	}
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Exec(bg, `INSERT INTO workspace (id, name, zone, lang, created_us) VALUES ('w', 'W', 'Asia/Seoul', 'ko', 1)`)
	name, key := "가게", secret
	sh, code, err2 := shops.Create(bg, "w", shop.Input{Name: &name, WebhookSecret: &key})
	if err = errors.Join(err, err2, d.Close()); err != nil {
		t.Fatal(err)
	}
	const ordersPer, events = 8, 4
	rnd := rand.New(rand.NewPCG(1, 2))
	for k, step := range Steps {
		before := s.kills
		s.start(step + ":" + strconv.Itoa(1+k%2))
		var all []Delivery
		for o := range ordersPer {
			for e := range events {
				body := fmt.Sprintf(`{"id":%d,"name":"#%d","tags":"%d","updated_at":"2026-11-04T09:00:05+09:00"}`, 1000*(k+1)+o, 1000*(k+1)+o, e)
				d := delivery("orders/updated", fmt.Sprintf("2026-11-04T00:00:05.%dZ", e+1), body)
				all = append(all, d, d)
			}
		}
		rnd.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		var wg sync.WaitGroup
		for part := range 4 {
			wg.Go(func() {
				for i := part; i < len(all); i += 4 {
					s.post(code, all[i])
				}
			})
		}
		wg.Wait()
		if s.kills == before {
			s.dies()
			continue
		}
		s.end() // at random as well: whatever is under way now
	}
	if s.kills < len(Steps) {
		t.Errorf("%d deaths at %d steps", s.kills, len(Steps))
	}
	d = open()
	defer func() { _ = d.Close() }()
	_, orders, left, err := services(d, nil)
	if err != nil {
		t.Fatal(err)
	}
	left.o.Now = func() time.Time { return time.Now().Add(time.Minute) }
	if _, err := left.Sweep(bg); err != nil {
		t.Fatal(err)
	}
	for k := range Steps {
		for o := range ordersPer {
			got, err := orders.Get(bg, sh.ID, strconv.Itoa(1000*(k+1)+o))
			if err != nil || got.Tags != strconv.Itoa(events-1) {
				t.Errorf("after %s: %+v, %v", Steps[k], got, err)
			}
		}
	}
	var n, waiting int
	if err := d.QueryRow(bg, `SELECT (SELECT count(*) FROM shop_order), (SELECT count(*) FROM inbox WHERE applied_us = 0)`).Scan(&n, &waiting); err != nil || n != len(Steps)*ordersPer || waiting != 0 {
		t.Errorf("%d orders, %d webhooks wait, %v", n, waiting, err)
	}
}
