// Package quota is the gate before the wire: every request to a platform
// waits here for its turn.
//
// It learns how fast each scope of a platform may be used (an address, a
// licence, a customer, a class of operations), shares the slots fairly
// between those who wait, and turns a refusal (HTTP 429) into waiting: no
// caller ever sees one.
//
// Engine is the decision: a pure function of state and time, without I/O and
// without a clock, so that a whole morning can be played in virtual time.
// Gate is the shell that callers use from many goroutines. The numbers in
// this package come from the studies summed up in docs/quota.md.
package quota

import "time"

// Class is how urgent a flow is. The numbers are sent to clients: append,
// never renumber.
type Class int8

// The classes.
const (
	// Interactive: somebody waits for it. Up to 8 of 10 slots while it has work.
	Interactive Class = iota
	// Bulk: the morning's refresh. It takes what interactive leaves, at least 2 of 10.
	Bulk
	// Backfill: old days, prefetching. It runs when nobody else can use the slot.
	Backfill
	classes
)

// String is "interactive", "bulk" or "backfill".
func (c Class) String() string {
	switch c {
	case Interactive:
		return "interactive"
	case Backfill:
		return "backfill"
	}
	return "bulk"
}

// Scope is one thing that a server may limit: a kind of limit and whose.
type Scope struct {
	Kind string `json:"scope"` // "ip", "licence", "customer", "customer.report", …
	ID   string `json:"id"`    // which instance: the licence, the customer id
}

// The kinds of scope that Naver calls use, outermost first.
const (
	IP             = "ip"              // this machine's address; ID "naver"
	Licence        = "licence"         // X-API-KEY
	Customer       = "customer"        // X-Customer
	CustomerReport = "customer.report" // X-Customer, stat and master reports and their downloads
	CustomerKwtool = "customer.kwtool" // X-Customer, the related-keyword tool
	IPKwtool       = "ip.kwtool"       // this machine's address, the related-keyword tool
)

// The kinds of scope that other servers use.
const (
	Shop          = "shop"           // a Shopify shop, which tells its budget
	GoogleProject = "google.project" // Google Sheets: requests per minute of the project
	GoogleUser    = "google.user"    // Google Sheets: requests per minute of one account
	SMTP          = "smtp"           // a mail server at a rate its operator set
)

// Call is one request to a platform.
type Call struct {
	// Scopes that the request counts in, outermost first. Calls whose first
	// scope is the same compete with each other; others never meet.
	Scopes []Scope
	// Operation names the request in metrics: "stat-reports.create".
	Operation string
	// Cost in slots, or in points where the server tells a budget; 0 means 1,
	// and so does what is no number or above a million.
	Cost float64
}

// Answer is what a server's reply says about the rate.
type Answer struct {
	// Refused: the server did nothing because of too many requests (429).
	Refused bool
	// Lost: no answer of the server's limiter came (the connection failed, or
	// something before it answered 5xx): the call proves nothing about the rate.
	Lost bool
	// Blames is the kind of scope that the refusal's body names, "" if none.
	Blames string
	// RetryAfter is how long the server asks to wait; 0 if it does not say.
	RetryAfter time.Duration
	// Latency of the request as the caller measured it; 0: the gate measures.
	Latency time.Duration
	// Budget is what the server tells about its own bucket; nil if nothing.
	Budget *Budget
}

// Budget is a bucket that a server describes in its answers (Shopify's
// throttleStatus). It holds for the innermost scope of the call.
type Budget struct {
	Available float64 // points left when the server answered
	Max       float64 // points that the full bucket holds
	Restore   float64 // points per second that come back
}

// FlowOptions say whose work a flow is.
type FlowOptions struct {
	// ID of the raw data or run; flows are fair to each other inside a tenant.
	ID string
	// Tenant is the workspace; tenants are fair to each other.
	Tenant string
	// Class is how urgent it is.
	Class Class
	// Deadline is when the work should be done; zero if there is none.
	Deadline time.Time
	// Left is how many calls are still to come, ReportLeft how many of those
	// also count in their customer's narrower scope. They order the bulk and
	// carry the forecast; 0 if unknown.
	Left, ReportLeft int
}

// PolicyKind is how the rate of a scope comes about.
type PolicyKind int8

// The kinds of policy.
const (
	// Learned: nobody says the limit; it is found from the refusals.
	Learned PolicyKind = iota
	// Fixed: an operator set so many per second; a refusal only pauses.
	Fixed
	// PerMinute: a published quota per minute, counted in sliding minutes.
	PerMinute
	// Told: the server describes its bucket in each answer.
	Told
)

// Policy is how the scopes of one kind are paced.
type Policy struct {
	Kind PolicyKind
	// Rate per second: where a learned scope starts, what a fixed one keeps,
	// what a told bucket restores before its first answer. For PerMinute the
	// calls per minute.
	Rate float64
	// Max is the bucket of a told scope before its first answer, in points.
	Max float64
	// Ceiling per second that a learned scope never exceeds; 0: none.
	Ceiling float64
	// Narrow marks a scope of one customer: a lone customer's refusal is
	// rather its own fault than the common limit's.
	Narrow bool
}

// Tuning are the knobs of one scope instance.
type Tuning struct {
	// HeadRoom is the share of the learned rate that is left to others, such
	// as people in Naver's own console: 0 to 0.9. That of a common scope holds
	// for its customers' own limits too.
	HeadRoom float64
	// Refusals is the share of refused calls that learning may cost: the 429
	// budget p, 0.002 to 0.03; 0 means 0.007. Less is calmer and a little
	// slower.
	Refusals float64
}

// Range is when something is expected to end: 8 of 10 ends fall inside.
type Range struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Options of an Engine or a Gate. The zero value is good.
type Options struct {
	// Policies by scope kind; what is missing is taken from DefaultPolicies.
	Policies map[string]Policy
	// Refusals is Tuning.Refusals for scopes that no other is set for.
	Refusals float64
	// InFlight is how many calls of one outermost scope may be on the wire at
	// once; 0 means 100.
	InFlight int
}

// DefaultPolicies are the start values per scope kind: deliberately below
// what was seen in the field (naver/searchad-apidoc issues 50, 114, 553, 639,
// 1049, 1476; 15-30 calls/s per customer or licence, about 100 per address,
// reports about 10, keyword tool 2-5), because too high is the expensive
// error.
func DefaultPolicies() map[string]Policy {
	return map[string]Policy{
		IP:             {Rate: 60},
		Licence:        {Rate: 15},
		Customer:       {Rate: 22, Narrow: true},
		CustomerReport: {Rate: 8, Narrow: true},
		CustomerKwtool: {Rate: 2, Narrow: true},
		IPKwtool:       {Rate: 6},
		Shop:           {Kind: Told, Rate: 50, Max: 1000},
		GoogleProject:  {Kind: PerMinute, Rate: 300},
		GoogleUser:     {Kind: PerMinute, Rate: 60},
		SMTP:           {Kind: Fixed, Rate: 1},
	}
}
