package naver

import (
	"maps"
	"math"
	"strconv"
	"strings"
	"time"
)

// The scopes of fact sheet 4.3. A request must pass all that apply to it.
const (
	ScopeIP         = "ip"
	ScopeLicence    = "licence"
	ScopeCust       = "cust"
	ScopeIPKwTool   = "ip.kwtool"
	ScopeCustReport = "cust.report"
	ScopeCustKwTool = "cust.kwtool"
)

// order is the order of judgement, outermost first; the first full one refuses.
var order = []string{ScopeIP, ScopeLicence, ScopeCust, ScopeIPKwTool, ScopeCustReport, ScopeCustKwTool}

// Limit is the capacity of one scope for each of its keys.
type Limit struct {
	// Rate in requests a second, before drift.
	Rate float64 `json:"rate"`
	// WindowMS is the length of the sliding window in milliseconds.
	WindowMS int `json:"window_ms"`
	// Burst is the depth of a token bucket in requests; 0 means max(3, 0.1 s of Rate).
	Burst float64 `json:"burst"`
	// Form is the letter of the 429 body, "A" to "D".
	Form string `json:"form"`
}

// Limits is a rate model.
type Limits struct {
	// Scopes by name; an absent one does not limit.
	Scopes map[string]Limit `json:"scopes"`
	// TokenBuckets takes token buckets (Rate, Burst, DebtSeconds) in place of
	// sliding windows.
	TokenBuckets bool `json:"token_buckets"`
	// CountRejected has refused arrivals use up capacity too, in the refusing
	// scope and in those passed before it: "keep calling and you get nothing but 429".
	CountRejected bool `json:"count_rejected"`
	// DebtSeconds is how far below zero CountRejected takes a token bucket, in
	// seconds of its refill; 0 means 2.
	DebtSeconds float64 `json:"debt_seconds"`
	// Drift multiplies the capacity of each bucket by 0.85 to 1.15 every 5 to
	// 30 s, within 0.5 to 1.2 (0.4 to 1.0 from 07:00 to 10:00 KST).
	Drift bool `json:"drift"`
	// Incidents has every second morning a time of 1 to 10 minutes at 0.3.
	Incidents bool `json:"incidents"`
	// ForeignMax bounds the invisible calls a second of each customer by people
	// in the console and other tools; its own rate is uniform below it. 0: none.
	// ForeignShare is the share of customers that have any (0 means all),
	// BusyShare that of those with 12 calls a second.
	ForeignMax   float64 `json:"foreign_max"`
	ForeignShare float64 `json:"foreign_share"`
	BusyShare    float64 `json:"busy_share"`
	// Guard refuses for 300 s whoever (address or customer) collects 50
	// refusals of /keywordstool within 3 s; GuardAll watches and refuses all
	// operations; GuardSticky restarts the 300 s at each further call.
	Guard       bool `json:"guard"`
	GuardAll    bool `json:"guard_all"`
	GuardSticky bool `json:"guard_sticky"`
}

// Profiles lists the names that Options.Profile takes.
func Profiles() []string { return []string{"calm", "documented", "perlicence", "strict", "storm"} }

// ProfileLimits is the rate model of a profile (fact sheet 4.3), to be used as
// it is or changed and put into Options.Limits. An unknown one is calm.
func ProfileLimits(profile string) Limits {
	l := Limits{Scopes: map[string]Limit{}}
	all := map[string]Limit{
		ScopeIP:         {Rate: 100, WindowMS: 250, Form: "D"},
		ScopeLicence:    {Rate: 25, WindowMS: 250, Form: "B"},
		ScopeCust:       {Rate: 25, WindowMS: 250, Form: "B"},
		ScopeIPKwTool:   {Rate: 12, WindowMS: 500, Form: "C"},
		ScopeCustReport: {Rate: 10, WindowMS: 300, Form: "B"},
		ScopeCustKwTool: {Rate: 4.5, WindowMS: 500, Form: "A"},
	}
	var use []string
	switch profile {
	case "documented":
		use = []string{ScopeIP, ScopeCust, ScopeIPKwTool, ScopeCustReport, ScopeCustKwTool}
	case "perlicence":
		use = []string{ScopeLicence, ScopeCustReport}
	case "strict", "storm":
		use = order
	default:
		return l
	}
	for _, name := range use {
		l.Scopes[name] = all[name]
	}
	l.CountRejected, l.Drift, l.Incidents, l.Guard = true, true, true, true
	l.ForeignMax, l.BusyShare = 5, 0.1
	return l
}

// op is the class of an operation as the limits see it.
type op int

const (
	opPlain op = iota
	opReport
	opKwTool
)

func opOf(path string) op {
	switch {
	case strings.HasPrefix(path, "/stat-reports"), strings.HasPrefix(path, "/master-reports"), path == "/report-download":
		return opReport
	case path == "/keywordstool":
		return opKwTool
	}
	return opPlain
}

// origin is what the limits know of a request. Without licence it was refused
// by auth, and only its address counts; customer is 0 in account calls that
// name none.
type origin struct {
	ip, license string
	customer    int64
	op          op
}

// key names the bucket of a scope; ok is false where the scope does not apply.
func (o origin) key(scope string) (k string, ok bool) {
	switch scope {
	case ScopeIP:
		return o.ip, true
	case ScopeIPKwTool:
		return o.ip, o.op == opKwTool
	}
	if o.license == "" || o.customer == 0 && scope != ScopeLicence {
		return "", false
	}
	switch scope {
	case ScopeLicence:
		return o.license, true
	case ScopeCust:
		return strconv.FormatInt(o.customer, 10), true
	case ScopeCustReport:
		return strconv.FormatInt(o.customer, 10), o.op == opReport
	}
	return strconv.FormatInt(o.customer, 10), o.op == opKwTool
}

type bucketKey struct{ scope, key string }

// limiter decides about arrivals. It is not safe for concurrent use.
type limiter struct {
	seed    uint64
	l       Limits
	buckets map[bucketKey]*bucket
	guards  map[string]*guard
	steps   []incident
	total   tally
	since   time.Time
}

func newLimiter(seed uint64, l Limits, now time.Time) limiter {
	l.Scopes = maps.Clone(l.Scopes)
	return limiter{seed: seed, l: l, buckets: map[bucketKey]*bucket{}, guards: map[string]*guard{}, since: now}
}

// allow judges the arrival of who at now and names the refusing scope.
func (m *limiter) allow(who origin, now time.Time) (scope string, ok bool) {
	if s, blocked := m.blocked(who, now); blocked {
		m.total.count(false, now)
		return s, false
	}
	passed := make([]*bucket, 0, len(order))
	for _, name := range order {
		l, on := m.l.Scopes[name]
		k, applies := who.key(name)
		if !on || !applies || l.Rate <= 0 {
			continue
		}
		b := m.bucket(name, k, l)
		b.advance(m, now)
		if !b.room(m, now) {
			b.tally.count(false, now)
			if m.l.CountRejected {
				b.take(m, now)
				for _, p := range passed {
					p.take(m, now)
				}
			}
			m.total.count(false, now)
			m.refused(who, now)
			return name, false
		}
		passed = append(passed, b)
	}
	for _, b := range passed {
		b.take(m, now)
		b.tally.count(true, now)
	}
	m.total.count(true, now)
	return "", true
}

func (m *limiter) bucket(scope, key string, l Limit) *bucket {
	k := bucketKey{scope, key}
	b := m.buckets[k]
	if b == nil {
		h := mixString(mixString(m.seed, scope), key)
		b = &bucket{limit: l, m: 1, random: rng(h)}
		b.tokens = b.depth()
		if scope == ScopeCust && m.l.ForeignMax > 0 {
			b.foreign = m.l.ForeignMax * unit(mix(h, 7))
			switch share := unit(mix(h, 8)); {
			case share < m.l.BusyShare:
				b.foreign = busyRate
			case m.l.ForeignShare > 0 && share >= m.l.ForeignShare:
				b.foreign = 0
			}
		}
		m.buckets[k] = b
	}
	return b
}

// bucket is the state of one scope for one key: a sliding window of arrivals,
// or tokens.
type bucket struct {
	limit   Limit
	arrived []time.Time
	tokens  float64
	at      time.Time // state is of this instant
	m       float64   // drift
	step    time.Time // of the next change of m
	random  rng
	foreign float64
	tally   tally
}

func (b *bucket) window() time.Duration {
	if b.limit.WindowMS <= 0 {
		return 250 * time.Millisecond
	}
	return time.Duration(b.limit.WindowMS) * time.Millisecond
}

func (b *bucket) depth() float64 {
	if b.limit.Burst > 0 {
		return b.limit.Burst
	}
	return max(3, b.limit.Rate/10)
}

// busyRate is how many invisible calls a second a busy customer makes.
const busyRate = 12

// idleJump is the idle time above which drift and foreign calls are not played
// step by step.
const idleJump = 10 * time.Minute

// advance brings the bucket to now: drift, foreign calls, refill, and the
// integral of the capacity for the metrics.
func (b *bucket) advance(m *limiter, now time.Time) {
	if b.at.IsZero() {
		b.at, b.step = now, now.Add(b.pause())
		return
	}
	if !now.After(b.at) {
		return
	}
	if now.Sub(b.at) > idleJump {
		b.pass(m, now)
		b.step = now
	}
	for m.l.Drift && !b.step.After(now) {
		b.pass(m, b.step)
		lo, hi := driftRange(b.step)
		b.m = min(max(b.m*b.random.between(0.85, 1.15), lo), hi)
		b.step = b.step.Add(b.pause())
	}
	b.pass(m, now)
}

func (b *bucket) pause() time.Duration {
	return time.Duration(b.random.between(5, 30) * float64(time.Second))
}

// pass lets time run to to at the present capacity.
func (b *bucket) pass(m *limiter, to time.Time) {
	from := b.at
	dt := to.Sub(from).Seconds()
	if dt <= 0 {
		return
	}
	rate := b.rate(m, from)
	if !b.tally.first.IsZero() {
		b.tally.integral += b.capacity(m, from) * dt
	}
	b.tokens = min(b.tokens+rate*dt, b.depth())
	b.at = to
	if b.foreign <= 0 {
		return
	}
	// A Poisson stream has no memory: only what still matters is drawn.
	t := from
	if cut := to.Add(-max(b.window(), time.Second)); t.Before(cut) {
		t = cut
	}
	for {
		t = t.Add(time.Duration(-math.Log(1-b.random.float()) / b.foreign * float64(time.Second)))
		if t.After(to) {
			return
		}
		if b.room(m, t) || m.l.CountRejected {
			b.take(m, t)
		}
	}
}

// rate is the momentary rate in requests a second.
func (b *bucket) rate(m *limiter, now time.Time) float64 {
	f := 1.0
	if m.l.Drift {
		lo, hi := driftRange(now)
		f = min(max(b.m, lo), hi)
	}
	return b.limit.Rate * min(f, m.incidentAt(now))
}

// capacity is the momentary capacity in requests a second: the rate, for
// windows rounded up to whole requests a window.
func (b *bucket) capacity(m *limiter, now time.Time) float64 {
	if m.l.TokenBuckets {
		return b.rate(m, now)
	}
	return b.perWindow(m, now) / b.window().Seconds()
}

// perWindow is how many arrivals the window may hold.
func (b *bucket) perWindow(m *limiter, now time.Time) float64 {
	return math.Ceil(b.rate(m, now) * b.window().Seconds())
}

// room tells whether one more arrival at now is within the limit.
func (b *bucket) room(m *limiter, now time.Time) bool {
	if m.l.TokenBuckets {
		return b.tokens >= 1
	}
	w := b.window()
	old := 0
	for old < len(b.arrived) && now.Sub(b.arrived[old]) >= w {
		old++
	}
	b.arrived = b.arrived[old:]
	return float64(len(b.arrived)) < b.perWindow(m, now)
}

// take notes one arrival.
func (b *bucket) take(m *limiter, now time.Time) {
	if m.l.TokenBuckets {
		debt := m.l.DebtSeconds
		if debt == 0 {
			debt = 2
		}
		b.tokens = max(b.tokens-1, -debt*b.limit.Rate)
		return
	}
	b.arrived = append(b.arrived, now)
}
