package smtp

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"
)

// Phase is a moment in a session at which a Fault can strike.
type Phase string

// The phases, in the order of a session.
const (
	AtConnect Phase = "connect" // accepted, before the greeting
	AtHello   Phase = "hello"   // EHLO or HELO came
	AtAuth    Phase = "auth"    // AUTH came
	AtMail    Phase = "mail"    // MAIL came, before its reply
	AtRcpt    Phase = "rcpt"    // RCPT came, before its reply
	AtData    Phase = "data"    // DATA came, before the 354
	AtBody    Phase = "body"    // after the 354, once Fault.After bytes came
	AtDot     Phase = "dot"     // the final dot came, nothing is stored
	AtStored  Phase = "stored"  // the mail is on disk, the reply not yet sent
	AtDone    Phase = "done"    // the 250 was sent
	AtRset    Phase = "rset"    // RSET came
	AtQuit    Phase = "quit"    // QUIT came
)

// phases lists all of them, for checking and for the admin page.
var phases = []Phase{AtConnect, AtHello, AtAuth, AtMail, AtRcpt, AtData, AtBody, AtDot, AtStored, AtDone, AtRset, AtQuit}

// Action is what a Fault does.
type Action string

// The actions.
const (
	// Drop closes the connection in the ordinary way (the client reads EOF).
	Drop Action = "drop"
	// Reset closes it with an RST (the client reads "connection reset").
	Reset Action = "reset"
	// Reply answers Code and Text instead of doing what was asked. A 421
	// closes the connection afterwards, as the RFC says.
	Reply Action = "reply"
	// Hang waits For, then goes on as if nothing had been; For 0 waits until
	// the client goes away or Release is called. It is also the slow reply.
	Hang Action = "hang"
)

// Fault is one thing that goes wrong. The zero values of the last four fields
// mean: each time.
type Fault struct {
	// ID is given by AddFault, from 1.
	ID int `json:"id"`
	// At and Do say where and what.
	At Phase  `json:"at"`
	Do Action `json:"do"`
	// Code (400..599) and Text are the answer of Reply. An empty Text becomes
	// a usual one for the code.
	Code int    `json:"code,omitempty"`
	Text string `json:"text,omitempty"`
	// For is how long Hang waits, in the server's time (see Config.Scale).
	For time.Duration `json:"for,omitempty"`
	// After is how many bytes of the body pass before AtBody; 0 means 64.
	After int `json:"after,omitempty"`

	// Next is how many times the fault strikes before it is spent; 0: for ever.
	Next int `json:"next,omitempty"`
	// Skip lets so many occasions pass before the first strike.
	Skip int `json:"skip,omitempty"`
	// Probability, 0 < p < 1, strikes so often, drawn from the server's seed:
	// the k-th occasion of a fault has the same fate in every run.
	Probability float64 `json:"probability,omitempty"`
	// Recipient limits the fault to mails to an address, to a domain when it
	// begins with "@", or to a prefix when it ends with "*". Upper and lower
	// case are equal. From AtRcpt on; earlier the recipient is not known.
	Recipient string `json:"recipient,omitempty"`

	// Hits counts the strikes so far, Seen the occasions.
	Hits int `json:"hits"`
	Seen int `json:"seen"`
}

// check says what is wrong with f, in words for the admin API.
func (f Fault) check() error {
	if !slices.Contains(phases, f.At) {
		return fmt.Errorf("at %q is not one of %v", f.At, phases)
	}
	switch f.Do {
	case Drop, Reset:
	case Hang:
		if f.For < 0 {
			return fmt.Errorf("for %v is negative", f.For)
		}
	case Reply:
		if f.Code < 400 || f.Code > 599 {
			return fmt.Errorf("code %d is not 400..599", f.Code)
		}
		if f.At == AtDone || f.At == AtBody {
			return fmt.Errorf("nothing can be replied at %q", f.At)
		}
		if strings.ContainsAny(f.Text, "\r\n") {
			return fmt.Errorf("text has a line break")
		}
	default:
		return fmt.Errorf("do %q is not drop, reset, reply or hang", f.Do)
	}
	if f.Probability < 0 || f.Probability > 1 {
		return fmt.Errorf("probability %v is not 0..1", f.Probability)
	}
	if f.Next < 0 || f.Skip < 0 || f.After < 0 {
		return fmt.Errorf("next, skip and after cannot be negative")
	}
	if f.Recipient != "" && slices.Index(phases, f.At) < slices.Index(phases, AtRcpt) {
		return fmt.Errorf("the recipient is not known at %q", f.At)
	}
	return nil
}

// reply is the line that f answers.
func (f Fault) reply() (int, string) {
	if f.Text != "" {
		return f.Code, f.Text
	}
	text, ok := map[int]string{
		421: "4.3.2 Service not available, closing transmission channel",
		450: "4.2.1 Mailbox temporarily unavailable",
		451: "4.3.0 Requested action aborted: local error in processing",
		452: "4.2.2 Mailbox full",
		454: "Throttling failure: Maximum sending rate exceeded.",
		550: "5.1.1 The email account that you tried to reach does not exist",
		552: "5.2.2 Mailbox full",
		554: "5.7.1 Message rejected",
	}[f.Code]
	if !ok {
		text = fmt.Sprintf("%d.0.0 Fault injected at %s", f.Code/100, f.At)
	}
	return f.Code, text
}

// concerns reports whether a mail to these recipients is f's business.
func (f Fault) concerns(to []string) bool {
	if f.Recipient == "" {
		return true
	}
	want := strings.ToLower(f.Recipient)
	return slices.ContainsFunc(to, func(addr string) bool {
		addr = strings.ToLower(addr)
		if prefix, ok := strings.CutSuffix(want, "*"); ok {
			return strings.HasPrefix(addr, prefix)
		}
		if strings.HasPrefix(want, "@") {
			return strings.HasSuffix(addr, want)
		}
		return addr == want
	})
}

// strike counts an occasion and reports whether f strikes at it.
func (f *Fault) strike(seed uint64) bool {
	f.Seen++
	if f.Seen <= f.Skip || f.Next > 0 && f.Hits >= f.Next {
		return false
	}
	if f.Probability > 0 && draw(seed, f.ID, f.Seen) >= f.Probability {
		return false
	}
	f.Hits++
	return true
}

// draw is a number in [0,1) that depends on its arguments alone.
func draw(seed uint64, id, n int) float64 {
	h := fnv.New64a()
	var b [24]byte
	binary.BigEndian.PutUint64(b[:], seed)
	binary.BigEndian.PutUint64(b[8:], uint64(id))
	binary.BigEndian.PutUint64(b[16:], uint64(n))
	h.Write(b[:])
	x := h.Sum64() // FNV alone is weak in its high bits: finish as SplitMix64 does
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	x ^= x >> 31
	return float64(x>>11) / (1 << 53)
}

// Limits is what a healthy server refuses. Zero fields are unlimited.
type Limits struct {
	// PerSecond refuses the mail after the dot with "454 Throttling failure:
	// Maximum sending rate exceeded." when so many were accepted within the
	// last second; PerDay likewise with the words for the daily quota within
	// the last 24 h. The words are Amazon SES's (docs.aws.amazon.com/ses,
	// manage-sending-quotas-errors).
	PerSecond int `json:"per_second"`
	PerDay    int `json:"per_day"`
	// PerConnection answers 421 to the MAIL after so many mails.
	PerConnection int `json:"per_connection"`
	// Recipients answers 452 4.5.3 to the RCPT above so many; RFC 5321
	// 4.5.3.1.8 asks for at least 100, SES allows 50.
	Recipients int `json:"recipients"`
	// ReplyDelay comes before each reply, in the server's time.
	ReplyDelay time.Duration `json:"reply_delay"`
	// Connections answers 421 to connections above so many at once.
	Connections int `json:"connections"`
}

// A profile is a kind of server: its limits, its standing faults, its manners.
type profile struct {
	limits Limits
	faults []Fault
	// strict asks for what the large mailbox providers ask of bulk senders.
	strict bool
	// renames replaces Message-ID and Date, as SES does [reference, C3].
	renames bool
}

// profiles by Config.Profile.
var profiles = map[string]profile{
	"":      {},
	"plain": {},
	// Gmail's and Yahoo's rules for senders (reference, C1).
	"strict": {limits: Limits{PerConnection: 20, Recipients: 100}, strict: true},
	// The well-known first production quota (reference, C4).
	"ses": {limits: Limits{PerSecond: 14, PerDay: 50000, Recipients: 50}, renames: true},
	// Everything that can happen, now and then; for crash tests and the demo.
	"flaky": {faults: []Fault{
		{At: AtConnect, Do: Drop, Probability: .01},
		{At: AtConnect, Do: Reply, Code: 421, Probability: .01},
		{At: AtMail, Do: Drop, Probability: .005},
		{At: AtRcpt, Do: Reply, Code: 450, Probability: .02},
		{At: AtData, Do: Drop, Probability: .005},
		{At: AtBody, Do: Reset, Probability: .005},
		{At: AtDot, Do: Reply, Code: 451, Probability: .02},
		{At: AtStored, Do: Drop, Probability: .01},
		{At: AtStored, Do: Hang, For: 2 * time.Second, Probability: .01},
		{At: AtDone, Do: Drop, Probability: .01},
		{At: AtRset, Do: Drop, Probability: .05},
		{At: AtQuit, Do: Drop, Probability: .05},
	}},
}

// Profiles are the names that Config.Profile accepts: "plain" (also ""),
// "strict" (a large mailbox provider's rules for bulk senders), "ses" (14 a
// second, Message-ID and Date replaced) and "flaky" (every fault now and then).
func Profiles() []string { return []string{"plain", "strict", "ses", "flaky"} }
