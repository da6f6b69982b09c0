package naver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"imreport/internal/account"
	"imreport/internal/quota"
)

// DefaultURL is where Naver answers.
const DefaultURL = "https://api.searchad.naver.com"

// falselyBad is the code of a malformed request, with which Naver has answered
// good ones for days (2025-11).
const falselyBad = 11001

const (
	// jsonMax bounds a JSON answer: a list page of 1,000 ads is about 3 MB.
	jsonMax = 64 << 20
	// errorMax bounds how much of an error's body is read.
	errorMax = 64 << 10
)

// clientOptions say how requests are sent.
type clientOptions struct {
	url       string
	gate      *quota.Gate
	transport http.RoundTripper
	log       *slog.Logger
	now       func() time.Time
	timeout   time.Duration   // until the headers of an answer, and the end of a JSON one
	idle      time.Duration   // without a byte of a download
	pauses    []time.Duration // before a request is repeated after a passing fault
	back      func()          // hears of the first good answer after an outage; may be nil
}

// client sends requests: each waits for the gate, is signed at that moment,
// and is repeated when that helps.
type client struct {
	o       clientOptions
	base    *url.URL
	http    *http.Client
	clock   *clock
	secrets *secrets
	shut    shut
	outage  outage
}

func newClient(o clientOptions) (*client, error) {
	base, err := url.Parse(o.url)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("naver: %q is not an http address", o.url)
	}
	if o.transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost = 64
		t.ResponseHeaderTimeout = o.timeout
		// Gzip would hide where a download broke off; reports come plain.
		t.DisableCompression = true
		o.transport = t
	}
	return &client{
		o: o, base: base, clock: &clock{now: o.now}, secrets: &secrets{},
		// A redirect would carry the signature elsewhere.
		http: &http.Client{Transport: o.transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}, nil
}

// scopeClass says in which scopes beside address and licence a request counts.
type scopeClass int8

const (
	scopeCustomer scopeClass = iota // the customer
	scopeReport                     // the customer, and its reports
	scopeKwtool                     // the customer's and the address's keyword tool
	scopeKey                        // neither: what belongs to the key itself
)

// who says with what, for whom and in whose turn requests are sent.
type who struct {
	cred     account.Credential
	flow     *quota.Flow // nil: a flow of its own per request
	customer string
}

// call is one request.
type call struct {
	op     string // "stat-reports.create"
	scope  scopeClass
	method string
	path   string // as it is signed
	query  url.Values
	body   any
	// exact is an address to be used as it stands, instead of path and query.
	exact string
	// once: the request is not repeated after a fault that leaves open
	// whether it was done.
	once bool
	// read takes the body of a good answer; nil: it does not matter. An error
	// means that it is not what it should be.
	read func(body []byte) error
}

func (c call) scopes(w who) []quota.Scope {
	all := []quota.Scope{{Kind: quota.IP, ID: "naver"}}
	if c.scope == scopeKwtool {
		all = append(all, quota.Scope{Kind: quota.IPKwtool, ID: "naver"})
	}
	all = append(all, quota.Scope{Kind: quota.Licence, ID: w.cred.License})
	if w.customer == "" || c.scope == scopeKey {
		return all
	}
	all = append(all, quota.Scope{Kind: quota.Customer, ID: w.customer})
	switch c.scope {
	case scopeReport:
		all = append(all, quota.Scope{Kind: quota.CustomerReport, ID: w.customer})
	case scopeKwtool:
		all = append(all, quota.Scope{Kind: quota.CustomerKwtool, ID: w.customer})
	}
	return all
}

// reply is a good answer. body is read already, or stream is open.
type reply struct {
	status      int
	header      http.Header
	body        []byte
	stream      *download
	delimited   bool // a cut of the stream shows as an error
	transaction string
}

// list sends c and reads the array of its answer.
func list[T any](ctx context.Context, cl *client, w who, c call, members ...string) (all []T, err error) {
	skipped := 0
	c.read = func(body []byte) (err error) {
		all, skipped, err = decodeList[T](body, members...)
		return err
	}
	r, err := cl.send(ctx, w, c, false)
	if err != nil {
		return nil, err
	}
	if skipped > 0 {
		cl.o.log.WarnContext(ctx, "elements of an answer could not be read", "op", c.op, "customer", w.customer, "elements", skipped, "transaction", r.transaction)
	}
	return all, nil
}

// one sends c and reads the object of its answer into v.
func one(ctx context.Context, cl *client, w who, c call, v any) error {
	c.read = func(body []byte) error { return json.Unmarshal(bytes.TrimPrefix(body, []byte(bom)), v) }
	_, err := cl.send(ctx, w, c, false)
	return err
}

func (r *reply) unreadable(c call, w who, err error) error {
	f := &fault{class: unreadable, op: c.op, customer: w.customer, status: r.status, transaction: r.transaction, cause: err}
	f.title = clip(strings.Join(strings.Fields(printable(string(r.body[:min(len(r.body), 200)]))), " "), 120)
	return f
}

// send sends c until it is done, refused for good, or has failed as often as
// there are pauses. Errors are faults, or ctx's.
func (cl *client) send(ctx context.Context, w who, c call, stream bool) (*reply, error) {
	for try := 0; ; try++ {
		r, err := cl.signed(ctx, w, c, stream)
		if cl.outage.heard(err) && cl.o.back != nil {
			cl.o.back()
		}
		if err == nil && c.read != nil {
			if rerr := c.read(r.body); rerr != nil {
				err = r.unreadable(c, w, rerr)
			}
		}
		f := asFault(err)
		if f == nil {
			return r, err
		}
		passing := f.class == serverFault || f.class == unreachable || f.class == unreadable ||
			f.class == badRequest && f.code == falselyBad
		if !passing || c.once || try >= len(cl.o.pauses) {
			return nil, err
		}
		cl.o.log.InfoContext(ctx, "request failed, trying again", "op", c.op, "customer", w.customer, "try", try+1, "error", err)
		if err := sleep(ctx, cl.o.pauses[try]); err != nil {
			return nil, err
		}
	}
}

// signed sends c with the secrets of its key in order of trial, and once more
// when it was refused for the clock.
func (cl *client) signed(ctx context.Context, w who, c call, stream bool) (*reply, error) {
	if err := cl.secrets.dead(w.cred, cl.o.now()); err != nil {
		return nil, err
	}
	open, err := cl.shut.enter(cl.o.now())
	if err != nil {
		return nil, err
	}
	var last error
	defer func() { open(last, cl.o.now()) }()
	order := cl.secrets.order(w.cred)
	corrected := false
	for i := 0; i < len(order); {
		r, err := cl.through(ctx, w, c, order[i], stream)
		switch f := asFault(err); {
		case err == nil:
			cl.secrets.worked(w.cred, order[i])
			return r, nil
		case f != nil && f.class == clockWrong && !corrected:
			corrected = true // through has corrected the clock
			continue
		case f != nil && f.class == secretWrong:
			last = err
			i++
			continue
		case f != nil && f.class == licenceUnknown:
			cl.secrets.died(w.cred, f, cl.o.now())
			return nil, err
		default:
			last = err
			return nil, err
		}
	}
	if f := asFault(last); f != nil {
		cl.secrets.died(w.cred, f, cl.o.now())
		return nil, last
	}
	return nil, &fault{class: secretWrong, op: c.op, customer: w.customer, title: "no secret"}
}

// through waits for the gate and sends c once. A refusal for the rate is the
// gate's business: it comes back here only as another turn.
func (cl *client) through(ctx context.Context, w who, c call, secret string, stream bool) (r *reply, err error) {
	gerr := cl.o.gate.Do(ctx, w.flow, quota.Call{Scopes: c.scopes(w), Operation: c.op}, func(ctx context.Context) (quota.Answer, error) {
		var a quota.Answer
		r, a, err = cl.wire(ctx, w, c, secret, stream)
		return a, err
	})
	if gerr != nil {
		return nil, gerr
	}
	return r, nil
}

// errSilent is the cause of a request that was cut because nothing came.
var errSilent = errors.New("no answer in time")

// wire builds, signs and sends the request.
func (cl *client) wire(ctx context.Context, w who, c call, secret string, stream bool) (*reply, quota.Answer, error) {
	life, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(cl.o.timeout, func() { cancel(errSilent) })
	keep := false
	defer func() {
		if !keep {
			timer.Stop()
			cancel(nil)
		}
	}()
	req, err := cl.request(life, w, c, secret)
	if err != nil {
		return nil, quota.Answer{}, err
	}
	sent := cl.o.now()
	resp, err := cl.http.Do(req)
	if err != nil {
		return nil, quota.Answer{Lost: true}, cl.broken(ctx, life, w, c, 0, "", err)
	}
	if skew, warn := cl.clock.observe(resp.Header, sent, cl.o.now()); warn {
		cl.o.log.WarnContext(ctx, "this machine's clock is wrong: Naver refuses requests that are a minute off", "off_by", skew)
	}
	good := resp.StatusCode >= 200 && resp.StatusCode < 300
	r := &reply{status: resp.StatusCode, header: resp.Header, transaction: transactionOf(resp.Header)}
	if good && stream {
		keep = true
		r.delimited = resp.ContentLength >= 0 || len(resp.TransferEncoding) > 0 || resp.ProtoMajor >= 2
		r.stream = &download{body: resp.Body, ctx: ctx, life: life, cancel: cancel, timer: timer, idle: cl.o.idle,
			fail: func(err error) error { return cl.broken(ctx, life, w, c, resp.StatusCode, r.transaction, err) }}
		return r, quota.Answer{}, nil
	}
	limit := int64(errorMax)
	if good {
		limit = jsonMax
	}
	r.body, err = io.ReadAll(io.LimitReader(resp.Body, limit))
	_ = resp.Body.Close() // it was read; what is left does not matter
	if a, refused := limited(c.op, resp.StatusCode, resp.Header, r.body); refused {
		return nil, a, nil
	}
	if err != nil {
		return nil, quota.Answer{}, cl.broken(ctx, life, w, c, resp.StatusCode, r.transaction, err)
	}
	cl.o.log.DebugContext(ctx, "naver", "op", c.op, "customer", w.customer, "status", resp.StatusCode, "transaction", r.transaction)
	if good {
		return r, quota.Answer{}, nil
	}
	f := classify(c.op, resp.StatusCode, resp.Header, r.body)
	f.customer = w.customer
	switch f.class {
	case clockWrong:
		cl.clock.correct(resp.Header, cl.o.now())
		f.args = []any{cl.clock.current().Round(time.Second), f.transaction}
	case forbidden, notOwner:
		f.args = []any{w.customer, account.Mask(w.cred.License), f.transaction}
	}
	return nil, quota.Answer{Lost: resp.StatusCode >= 500}, f
}

func (cl *client) request(ctx context.Context, w who, c call, secret string) (*http.Request, error) {
	address := c.exact
	if address == "" {
		u := *cl.base
		u.Path = strings.TrimSuffix(u.Path, "/") + c.path
		u.RawQuery = c.query.Encode()
		address = u.String()
	}
	var body io.Reader
	if c.body != nil {
		b, err := json.Marshal(c.body)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", c.op, err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, c.method, address, body)
	if err != nil {
		return nil, &fault{class: unreadable, op: c.op, customer: w.customer, cause: err}
	}
	timestamp, signature := Sign(secret, cl.clock.stamp(), c.method, c.path)
	req.Header.Set("X-Timestamp", timestamp)
	req.Header.Set("X-API-KEY", w.cred.License)
	req.Header.Set("X-Signature", signature)
	req.Header.Set("User-Agent", "imreport")
	if w.customer != "" {
		req.Header.Set("X-Customer", w.customer)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json; charset=UTF-8")
	}
	return req, nil
}

// broken makes a fault of a connection that failed. When ctx has ended, its
// error comes back instead: we broke it ourselves.
func (cl *client) broken(ctx, life context.Context, w who, c call, status int, transaction string, err error) error {
	if e := ctx.Err(); e != nil {
		return context.Cause(ctx)
	}
	if cause := context.Cause(life); cause != nil && errors.Is(cause, errSilent) {
		err = cause
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // without the address, which holds a download's token
	}
	f := &fault{class: unreachable, op: c.op, customer: w.customer, status: status, transaction: transaction, cause: err}
	f.args = []any{cl.base.Host, clip(err.Error(), 200), orDash(w.customer)}
	return f
}

// download is an open report. It ends by itself when nothing comes for long.
type download struct {
	body   io.ReadCloser
	ctx    context.Context // of the run
	life   context.Context // of the request
	cancel context.CancelCauseFunc
	timer  *time.Timer
	idle   time.Duration
	fail   func(error) error
}

func (d *download) Read(p []byte) (int, error) {
	d.timer.Reset(d.idle)
	n, err := d.body.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = d.fail(err)
	}
	return n, err
}

// rest is called by who will not read for a while: that is no silence of
// Naver's. What it holds ready meanwhile waits in the connection.
func (d *download) rest() { d.timer.Stop() }

func (d *download) Close() error {
	d.timer.Stop()
	err := d.body.Close()
	d.cancel(nil)
	return err
}

// sleep waits, or returns why ctx ended.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
