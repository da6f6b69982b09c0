package orders

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"imreport/internal/db"
	"imreport/internal/mail"
	carrier "imreport/internal/mail/post"
	"imreport/internal/order"
	"imreport/internal/review"
	"imreport/internal/seal"
	"imreport/internal/shop"
	"imreport/sim/smtp"
)

// Mail is what killing the sending process showed. Each killing is a kill -9
// of a process of its own, at a named step or at any moment; the mail server
// lives on and keeps what it takes on the disk before it answers.
type Mail struct {
	Messages int            `json:"messages"`
	Kills    int            `json:"kills"`
	AtStep   map[string]int `json:"kills_at_step"` // and "any moment"
	Mails    int            `json:"mails"`
	Doubled  int            `json:"doubled"` // messages with more than one mail
	Sent     int            `json:"sent"`
	Unknown  int            `json:"unknown"`
	Skipped  int            `json:"skipped"`
	Lost     int            `json:"lost"` // neither sent, unknown nor skipped in the end
	// FalseSent were said to be sent and are not in the mailbox.
	FalseSent int `json:"false_sent"`
	// MostUnknown is the most messages that one kill left unknown; at most
	// Connections were open.
	MostUnknown int `json:"most_unknown_per_kill"`
	Connections int `json:"connections"`
	// UpperBound of the chance that a message is doubled, with 95 %
	// confidence: Clopper and Pearson; 3/n for none among n.
	UpperBound float64 `json:"doubled_upper_bound_95"`
	Seconds    float64 `json:"seconds"`
}

// Environment of the child, which sends until it is killed.
const (
	childVar   = "IMREPORT_BENCH_MAIL"      // set: this is a child
	childDir   = "IMREPORT_BENCH_MAIL_DIR"  // the data folder of SQLite
	childURL   = "IMREPORT_BENCH_MAIL_URL"  // PostgreSQL; empty: SQLite in the folder
	childSMTP  = "IMREPORT_BENCH_MAIL_SMTP" // address of the mail server
	childCrash = "IMREPORT_BENCH_MAIL_STEP" // "step:n": the n-th time it kills itself
)

// IsMailChild reports whether this process was started by the mail part to
// send and to be killed.
func IsMailChild() bool { return os.Getenv(childVar) != "" }

// MailChild sends until it is killed.
func MailChild(ctx context.Context) error {
	d, err := db.Open(ctx, db.Options{URL: os.Getenv(childURL), Dir: os.Getenv(childDir)})
	if err != nil {
		return err
	}
	s, err := mail.NewSMTP(mail.SMTPOptions{URL: "smtp://" + os.Getenv(childSMTP), From: "bench@example.kr", PublicURL: "https://bench.example"})
	if err != nil {
		return err
	}
	reviews, err := reviewsOn(d, review.Options{Carrier: carrier.New(s), PublicURL: "https://bench.example", Lease: time.Second, Step: suicide(os.Getenv(childCrash))})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	return reviews.Run(ctx)
}

func reviewsOn(d *db.DB, o review.Options) (*review.Service, error) {
	box, err := seal.New(bytes.Repeat([]byte{1}, seal.KeySize))
	if err != nil {
		return nil, err
	}
	shops := shop.New(d, box, shop.Options{})
	return review.New(d, box, shops, order.New(d, shops, box, order.Options{}), o), nil
}

// suicide kills this process at the n-th time of a step: "marked:3".
func suicide(plan string) func(string) {
	at, times, ok := strings.Cut(plan, ":")
	n, err := strconv.ParseInt(times, 10, 64)
	if !ok || err != nil {
		return nil
	}
	var seen atomic.Int64
	return func(step string) {
		if step != at || seen.Add(1) != n {
			return
		}
		if me, err := os.FindProcess(os.Getpid()); err == nil {
			_ = me.Kill()
		}
		select {} // the signal is on its way
	}
}

// mails kills a sending process again and again until all is sent.
func (h *house) mails(ctx context.Context, o Options) (*Mail, error) {
	began := time.Now()
	m := &Mail{Messages: o.Mails, AtStep: map[string]int{}, Connections: review.PerSender}
	server := smtp.New(smtp.Config{Dir: filepath.Join(h.dir, "mail")})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	defer func() { _ = server.Close(); <-served }()
	if err := h.seed(ctx, o.Mails); err != nil {
		return nil, err
	}
	// From here on the database is the children's; we only look.
	if err := h.d.Close(); err != nil {
		return nil, err
	}
	dbo := h.options
	dbo.Shared = true
	if h.d, err = db.Open(ctx, dbo); err != nil {
		return nil, err
	}
	random := rand.New(rand.NewPCG(o.Seed, 1))
	unknown := 0
	for k := 0; ; k++ {
		left, now, err := h.standing(ctx)
		if err != nil {
			return nil, err
		}
		if k > 0 {
			m.MostUnknown = max(m.MostUnknown, now-unknown)
		}
		unknown = now
		if left == 0 || ctx.Err() != nil {
			break
		}
		plan, after := "", time.Duration(0)
		switch {
		case k >= o.Kills: // enough: let it end its work
		case k < len(review.Steps) || k%2 == 0:
			plan = fmt.Sprintf("%s:%d", review.Steps[random.IntN(len(review.Steps))], 1+random.IntN(4))
			if k < len(review.Steps) { // each of them once, before there is nothing left to send
				plan = review.Steps[k] + ":2"
			}
		default:
			after = time.Duration(20+random.IntN(400)) * time.Millisecond
		}
		killed, err := h.child(ctx, l.Addr().String(), plan, after)
		if err != nil {
			return nil, err
		}
		if killed {
			m.Kills++
			step, _, _ := strings.Cut(plan, ":")
			if step == "" {
				step = "any moment"
			}
			m.AtStep[step]++
		}
	}
	if err := h.count(ctx, m, server); err != nil {
		return nil, err
	}
	m.Seconds = time.Since(began).Seconds()
	return m, ctx.Err()
}

// seed makes orders whose requests are due at once, each of another person.
func (h *house) seed(ctx context.Context, n int) error {
	reviews, err := reviewsOn(h.d, review.Options{})
	if err != nil {
		return err
	}
	reviews.Register(h.orders)
	zero, rate, retry := "0s", 1000.0, "1s"
	if _, err := h.shops.Update(ctx, h.shop.WorkspaceID, h.shop.ID, shop.Input{ReviewDelay: &zero, MailRatePerSecond: &rate, MailRetryAfter: &retry}); err != nil {
		return err
	}
	for from := 0; from < n; from += 500 {
		var events []order.Event
		for i := from; i < min(n, from+500); i++ {
			at, id := time.Now(), strconv.Itoa(1000+i)
			events = append(events, order.Event{ShopID: h.shop.ID, ExternalID: id, Name: "#" + id, Origin: order.Origin{Source: order.Webhook, Live: true, At: at},
				Parcels: []order.Parcel{{ID: "f" + id, Status: "success", Created: db.US(at), Updated: db.US(at)}},
				Snapshot: &order.Snapshot{Updated: db.US(at), Created: db.US(at.Add(-time.Hour)), Name: "#" + id, Email: "c" + id + "@example.com", Financial: order.Paid,
					Fulfillment: order.Fulfilled, Lines: []order.Line{{ID: "1", Title: "mug", Quantity: 1, Left: 1, Fulfilled: true}}}})
		}
		err := h.d.InTx(ctx, func(tx *db.Tx) error { _, err := h.orders.ApplyAll(ctx, tx, events); return err })
		if err != nil {
			return err
		}
	}
	return nil
}

// standing is how many messages still go out by themselves, and how many are
// unknown, or will be as soon as somebody finds that their process is dead.
func (h *house) standing(ctx context.Context) (left, unknown int, err error) {
	err = h.d.QueryRow(ctx, `SELECT count(*) FILTER (WHERE state IN ('scheduled', 'queued', 'sending', 'dot')), count(*) FILTER (WHERE state IN ('unknown', 'dot')) FROM message`).
		Scan(&left, &unknown)
	return left, unknown, err
}

// child runs a sending process: until its plan kills it, or we do after a
// while, or nothing is left to send. killed is false in the last case.
func (h *house) child(ctx context.Context, server, plan string, after time.Duration) (killed bool, err error) {
	self, err := os.Executable()
	if err != nil {
		return false, err
	}
	ctx, stop := context.WithTimeout(ctx, 2*time.Minute)
	defer stop()
	c := exec.CommandContext(ctx, self, "bench", "orders")
	c.Env = append(os.Environ(), childVar+"=1", childDir+"="+h.options.Dir, childURL+"="+h.options.URL, childSMTP+"="+server, childCrash+"="+plan)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		return false, err
	}
	if err := c.Start(); err != nil {
		return false, err
	}
	ended := make(chan error, 1)
	ready := make(chan bool, 1)
	go func() {
		lines := bufio.NewScanner(out)
		ready <- lines.Scan()
		for lines.Scan() {
			continue
		}
		ended <- c.Wait()
	}()
	if !<-ready {
		return false, fmt.Errorf("the child did not start: %w", <-ended)
	}
	kill := make(<-chan time.Time)
	if after > 0 {
		kill = time.After(after)
	}
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-kill:
			_ = c.Process.Kill()
			<-ended
			return true, nil
		case <-ended:
			return true, ctx.Err()
		case <-look.C:
			left, _, err := h.standing(ctx)
			if err != nil && !errors.Is(err, context.Canceled) {
				continue // the writer is at it
			}
			if left == 0 {
				_ = c.Process.Kill()
				<-ended
				return false, nil
			}
		}
	}
}

// count compares what the rows say with what the mailbox has.
func (h *house) count(ctx context.Context, m *Mail, server *smtp.Server) error {
	got := server.Counts()
	for _, n := range got {
		m.Mails += n
		if n > 1 {
			m.Doubled++
		}
	}
	rows, err := h.d.Query(ctx, `SELECT id, state FROM message`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id, state string
		if err := rows.Scan(&id, &state); err != nil {
			return err
		}
		switch review.State(state) {
		case review.Sent:
			m.Sent++
			if got[id] == 0 {
				m.FalseSent++
			}
		case review.Unknown:
			m.Unknown++
		case review.Skipped:
			m.Skipped++
		default:
			m.Lost++
		}
	}
	m.UpperBound = upper95(m.Doubled, m.Messages)
	return rows.Err()
}

// upper95 is the largest chance p under which k or fewer of n come about with
// a chance of 5 %: the one-sided bound of Clopper and Pearson, by bisection.
func upper95(k, n int) float64 {
	if n == 0 || k >= n {
		return 1
	}
	low, high := 0.0, 1.0
	for range 60 {
		p := (low + high) / 2
		if atMost(k, n, p) > 0.05 {
			low = p
		} else {
			high = p
		}
	}
	return high
}

// atMost is the chance of k or fewer among n, each with chance p.
func atMost(k, n int, p float64) float64 {
	sum := 0.0
	for i := 0; i <= k; i++ {
		a, _ := math.Lgamma(float64(n + 1))
		b, _ := math.Lgamma(float64(i + 1))
		c, _ := math.Lgamma(float64(n - i + 1))
		sum += math.Exp(a - b - c + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
	}
	return sum
}
